// What a file looks like, and what became of its rows or would become of them.

import { h } from '../dom.js';
import { count } from '../format.js';

/** So much of a file is read here. */
const HEAD_BYTES = 65_536;
const LINES_MAX = 20;

/** The first lines of a text file, so that one can compare them with what was made of them. */
export async function firstLines(file) {
  const none = (words) => h('p', { class: 'empty' }, words);
  try {
    const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    if (head.length === 0) return none('The file is empty.');
    const isPacked = head[0] === 0x1f && head[1] === 0x8b;
    const plain = isPacked ? await unpacked(head) : head;
    if (plain.subarray(0, 1024).includes(0)) return none('This is no text: Parquet or Arrow, whose columns the preview tells.');
    const all = new TextDecoder().decode(plain).split(/\r?\n/);
    // The last line may be cut off.
    const lines = (all.length > 1 ? all.slice(0, -1) : all).slice(0, LINES_MAX);
    return h('pre', { tabindex: 0, role: 'region', 'aria-label': `The first ${lines.length} lines of ${file.name}` },
      lines.map((line, index) => [h('span', { class: 'line' }, String(index + 1).padStart(3)), ` ${line.slice(0, 400)}\n`]));
  } catch (error) {
    return none(`The file cannot be read here: ${error.message}`);
  }
}

/** What the beginning of a gzip file unpacks to; that it ends too early is meant so. */
async function unpacked(head) {
  const reader = new Blob([head]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const parts = [];
  try {
    for (let size = 0; size < HEAD_BYTES;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
    }
    reader.cancel().catch(() => {});
  } catch (error) {
    if (parts.length === 0) throw error;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The report of an import or of a trial, in words and figures. */
export function report(of, name, symbol) {
  const isTrial = of.dry_run;
  const stored = of.inserted + of.updated;
  const verdict = isTrial
    ? `${stored > 0 ? '✓' : '!'} ${count(stored)} of ${count(of.read)} rows would be stored. Nothing is stored yet.`
    : `${stored > 0 ? '✓' : '!'} ${count(stored)} of ${count(of.read)} rows were stored.`;
  const counts = [
    ['Read', of.read], [isTrial ? 'Would be stored' : 'Stored', of.inserted], [isTrial ? 'Bars that would be replaced' : 'Bars replaced', of.updated],
    ['Duplicates: known with the same values', of.duplicates], ['Conflicts: other values are stored, and stay', of.conflicts],
    ['Deleted before, and stay so', of.deleted], ['Rejected', of.rejected], ['Of other symbols, not stored', of.other_symbols.rows],
  ];
  return [
    h('p', { class: stored > 0 ? 'verdict up' : 'verdict', role: 'status' }, verdict),
    !isTrial && h('p', {}, symbol ? h('a', { href: `#/instrument/${encodeURIComponent(symbol.toUpperCase())}` }, `Show ${symbol.toUpperCase()}`) : h('a', { href: '#/prices' }, 'Show prices'), ' · ', h('a', { href: '#/coverage' }, 'Show coverage')),
    warnings(of, isTrial),
    h('h3', {}, 'Rows'),
    table('Rows', null, counts.map(([label, value]) => [label, count(value)]), true),
    of.other_symbols.count > 0 && h('p', { class: 'faint' }, `Other symbols: ${of.other_symbols.symbols.map((other) => `${other.symbol} (${count(other.rows)})`).join(', ')}${of.other_symbols.count > of.other_symbols.symbols.length ? ' and others' : ''}.`),
    of.files.map((file) => reading(file, name)),
    of.errors.length > 0 && [
      h('h3', {}, of.errors.length === 100 ? 'The first 100 rows that were not stored' : 'Rows that are not stored'),
      table('Rows that are not stored', ['Line', 'Why'], of.errors.map(({ line, reason }) => [count(line), reason])),
    ],
  ];
}

function warnings(of, isTrial) {
  const rows = (value, words) => value > 0 && `${count(value)} ${value === 1 ? 'row' : 'rows'} ${words}`;
  const [file] = of.files;
  const all = [
    rows(of.late, 'came late: they are older than the newest tick of the instrument. They are stored, and fire no rule.'),
    rows(of.timestamps_truncated, 'had stamps finer than a microsecond, which were cut to microseconds.'),
    rows(of.repeated_keys, 'had the key of an earlier row of the file.'),
    rows(of.zero_prices, `had a price of 0${isTrial ? ', which would be stored as it is' : ''}. Is that meant?`),
    file && file.timestamp_form && !file.timezone_named && !file.timestamp_form.startsWith('Unix') && 'No time zone was named: stamps without an offset are read as UTC.',
    file?.newest_first && 'The file runs from the newest row to the oldest; rows of one stamp are numbered from the bottom.',
    file?.lines_before_header > 0 && `${count(file.lines_before_header)} lines before the header were passed over.`,
  ].filter(Boolean);
  return all.length > 0 && h('ul', { class: 'warnings' }, all.map((words) => h('li', {}, `! ${words}`)));
}

function reading(file, name) {
  const columns = Object.entries(file.columns);
  return [
    h('h3', {}, `How ${file.file === 'the body' ? name : file.file} was read`),
    table('How the file was read', null, [
      ['Rows are', file.frequency ? `bars of ${file.frequency}` : file.kind],
      ['Stamps', file.timestamp_form ?? 'none was read'],
      ['Time zone', `${file.timezone}${file.timezone_named ? '' : ', as none was named'}`],
      ...columns.map(([to, column]) => [`Field ${to}`, `column ${column}`]),
      ...(file.unused.length > 0 ? [['Columns not used', file.unused.join(', ')]] : []),
    ]),
  ];
}

function table(label, heads, rows, areNumbers) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, h('table', {},
    heads && h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', {}, rows.map(([first, second]) => h('tr', {}, h('th', { scope: 'row' }, first), h('td', { class: areNumbers ? 'number' : null }, second))))));
}
