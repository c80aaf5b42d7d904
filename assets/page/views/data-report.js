// What a file looks like, and what became of its rows or would become of them.

import { h, table } from '../dom.js';
import { count } from '../format.js';

/** So much of a file is read here. */
const HEAD_BYTES = 65_536;
const LINES_MAX = 20;

/** The first lines of a text, so that one can compare them with what was made of them. */
export async function firstLines(file) {
  const packed = await file.slice(0, HEAD_BYTES).arrayBuffer();
  const [first, second] = new Uint8Array(packed);
  const head = first === 0x1f && second === 0x8b ? await unpacked(packed) : new Uint8Array(packed);
  if (head.length === 0 || head.includes(0)) return h('p', { class: 'empty' }, head.length ? 'This is no text: the preview tells its columns.' : 'The file is empty, or cannot be unpacked.');
  const lines = new TextDecoder().decode(head).split(/\r?\n/).slice(0, LINES_MAX);
  return h('pre', { tabindex: 0, role: 'region', 'aria-label': `The first lines of ${file.name}` }, lines.map((line, index) => `${String(index + 1).padStart(2)}  ${line.slice(0, 400)}\n`));
}

/** What the beginning of a gzip file unpacks to; that it breaks off is meant so. */
async function unpacked(packed) {
  const parts = [];
  try {
    for await (const part of new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))) parts.push(part);
  } catch {
    // The rest of the file is not here.
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The report of an import or of a trial, in words and figures. */
export function report(of, name, symbol) {
  const stored = of.inserted + of.updated;
  const [file] = of.files;
  const others = of.other_symbols;
  const words = [
    [of.late, 'ticks came late: older than the newest one of the instrument. They are stored, and fire no rule.'],
    [of.timestamps_truncated, 'stamps were finer than a microsecond, and are cut.'],
    [of.repeated_keys, 'rows have the key of an earlier row of the file.'],
    [of.zero_prices, 'rows have a price of 0. Is that meant?'],
    [file.lines_before_header, 'lines before the header are passed over.'],
  ].filter(([value]) => value > 0).map(([value, said]) => `${count(value)} ${said}`);
  if (!file.timezone_named && !file.timestamp_form?.startsWith('Unix')) words.push('No time zone is named: stamps without one are read as UTC.');
  if (file.newest_first) words.push('The newest row comes first: rows of one stamp are numbered from the bottom.');
  const hasMore = of.errors.length === 100;
  return [
    h('p', { class: `verdict ${stored ? 'up' : ''}`, role: 'status' }, `${stored ? '✓' : '!'} ${count(stored)} of ${count(of.read)} rows ${of.dry_run ? 'would be stored; nothing is stored yet' : 'are stored'}.`),
    !of.dry_run && h('p', {}, symbol && [h('a', { href: `#/instrument/${encodeURIComponent(symbol.trim().toUpperCase())}` }, `Show ${symbol}`), ' · '], h('a', { href: '#/prices' }, 'Show prices'), ' · ', h('a', { href: '#/coverage' }, 'Show coverage')),
    words.length > 0 && h('ul', { class: 'warnings' }, words.map((said) => h('li', {}, `! ${said}`))),
    h('h3', {}, 'Rows'),
    table('Rows', null, [
      ['Read', of.read], ['New', of.inserted], ['Bars replaced', of.updated], ['Duplicates: the same is stored', of.duplicates],
      ['Conflicts: other values are stored, and stay', of.conflicts], ['Deleted before, and stay so', of.deleted], ['Rejected', of.rejected], ['Of other symbols, not stored', others.rows],
    ].map(([label, value]) => [label, count(value)])),
    others.count > 0 && h('p', { class: 'faint' }, `Of ${count(others.count)} other symbols: `, others.symbols.map((item) => `${item.symbol} ${count(item.rows)}`).join(', ')),
    h('h3', {}, `How ${name} was read`),
    table('How the file was read', null, [
      ['Rows', file.frequency ? `bars of ${file.frequency}` : file.kind], ['Stamps', `${file.timestamp_form ?? 'none was read'}, ${file.timezone}`],
      ...Object.entries(file.columns).map(([to, column]) => [`Field ${to}`, `Column ${column}`]), ['Not used', file.unused.join(', ') || 'none'],
    ], { areWords: true }),
    of.errors.length > 0 && [h('h3', {}, hasMore ? 'The first 100 rows that are not stored' : 'Rows that are not stored'),
      table('Rows that are not stored', ['Line', 'Why'], of.errors.map(({ line, reason }) => [count(line), reason]), { areWords: true })],
  ];
}
