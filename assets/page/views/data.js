// The view of data: files in, with a look at them before anything is stored, and files out.

import { address, call, forgetInstruments, get, instruments, token } from '../api.js';
import { download, field, h, replace, select, setText, table } from '../dom.js';
import { bytes, count, FREQUENCIES } from '../format.js';
import { setQuery } from '../main.js';

export const title = 'Data';

/** Options of an import: name, label, and choices (the first one is the default), a box to tick, or the hint of a text. */
const optionsWith = (presets) => [
  ['symbol', 'Symbol', 'Without it each row names its own.'],
  ['create', 'Add missing instruments as', 'none is added|future|index|internal|equity|fx|crypto'],
  ['preset', 'Layout of a vendor', ['none', ...presets].join('|')],
  ['kind', 'Rows are', 'what the columns say|ticks|bars'],
  ['frequency', 'Period of bars', `as they are spaced|${FREQUENCIES.join('|')}`],
  ['timezone', 'Time zone', 'Of stamps without one; UTC when empty.'],
  ['columns', 'Columns', 'As timestamp=1,price=Kurs,high='],
  ['timestamp_format', 'Form of stamps', 'iso, unix_s, unix_ms, unix_us, unix_ns, or as %Y%m%d %H%M%S%3f'],
  ['date_order', 'First in dates like 01/02/2024', 'what the file proves|day|month|year'],
  ['stamps_are', 'Bars are named by their', 'start|end'],
  ['source', 'Data source', 'tickbase when empty.'],
  ['format', 'Form of the text', 'what it looks like|csv|ndjson'],
  ['skip_lines', 'Lines to pass over', 'At the top.'],
  ['thousands', 'Between thousands', "nothing|,|.|'|_|space"],
  ['decimal_comma', 'Numbers have a decimal comma: 1,5', true],
  ['suffixes', 'Numbers may end with K, M or B', true],
  ['create_source', 'Add the data source when it is missing', true],
  ['strict', 'One bad row refuses all', true],
  ['commit_each_batch', 'Commit every 10,000 rows', true],
];
const COMMON = 6;
const EXPORT = [
  ['symbol', 'Symbol', ''], ['kind', 'Rows', 'ticks|bars'], ['frequency', 'Period of bars', FREQUENCIES.join('|')],
  ['start', 'From (UTC)', 'The first row when empty.'], ['end', 'Before (UTC)', 'To the last row when empty.'], ['format', 'Form', 'csv|ndjson|parquet|arrow'],
];
/** So much of a file is read here. */
const HEAD_BYTES = 65_536;
const LINES_MAX = 20;

const alert = () => h('p', { class: 'fault', role: 'alert' });
const status = () => h('span', { role: 'status' });
const button = (label, onclick) => h('button', { type: onclick ? 'button' : 'submit', class: !onclick && 'main', onclick }, label);
const lines = (label, ...text) => h('pre', { tabindex: 0, role: 'region', 'aria-label': label }, text);
const empty = (words) => h('p', { class: 'empty' }, words);
const untried = () => empty('A preview stores nothing: it tells what columns are taken for, and how many rows would come in.');

export async function show(root, { query, signal }) {
  const options = optionsWith((await get('api/import/presets', { signal })).map(({ name }) => name));
  const panel = (heading, content) => h('section', { class: 'panel' }, h('h2', {}, heading), content);
  const first = h('div', { class: 'lines' }, empty('Here stand the first lines of the file.'));
  const outcome = h('div', { class: 'outcome' }, untried());
  const lists = ['symbol', 'timezone', 'source'].map((name) => h('datalist', { id: `list-${name}` }));
  async function propose() {
    const [all, { sources }] = await Promise.all([instruments(), get('api/historical-data/sources', { signal })]);
    [all.map((of) => of.symbol), Intl.supportedValuesOf('timeZone'), sources.map((of) => of.name)]
      .forEach((values, index) => replace(lists[index], values.map((value) => h('option', { value }))));
  }
  replace(root, h('h1', {}, title), lists,
    h('div', { class: 'halves' }, panel('Import a file', imports(options, root, query, signal, first, outcome, propose)), h('div', {}, panel('First lines', first), panel('Preview and outcome', outcome))),
    panel('Export', exports(query, signal)));
  await propose();
}

/** The controls of options, filled from the address; `values` are what is chosen, without defaults. */
function fieldsOf(options, query, prefix = '') {
  const controls = options.map(([name, , kind]) => {
    const value = query.get(prefix + name) ?? '';
    if (kind === true) return h('input', { type: 'checkbox', checked: value === 'true' });
    const [first, ...others] = kind.split('|');
    return others.length > 0 ? select([['', first], ...others], value)
      : h('input', { value, list: `list-${name}`, spellcheck: 'false', ...(name === 'start' || name === 'end' ? { type: 'datetime-local', step: 1 } : {}) });
  });
  const elements = options.map(([, label, kind], index) => (kind === true ? h('label', { class: 'check' }, controls[index], label)
    : field(label, controls[index], !kind.includes('|') && kind)));
  const values = () => Object.fromEntries(options.map(([name], index) => [name, controls[index].type === 'checkbox' ? controls[index].checked || '' : controls[index].value.trim()]));
  const keep = () => setQuery(Object.fromEntries(Object.entries(values()).map(([name, value]) => [prefix + name, value])));
  return { elements, values, keep };
}

function imports(options, root, query, signal, first, outcome, propose) {
  const { elements, values, keep } = fieldsOf(options, query);
  const chosen = h('input', { type: 'file', id: 'file', onchange: take });
  const fault = alert();
  const busy = status();
  const [preview, store, cancel] = [button('Preview'), button('Import', () => send(false)), button('Cancel', () => sending.abort())];
  [store.disabled, cancel.hidden] = [true, true];
  const form = h('form', { onsubmit: (event) => {
    event.preventDefault();
    send(true);
  }, onchange: ({ target }) => {
    // What was looked at is no longer what would be imported.
    store.disabled = true;
    if (target !== chosen) keep();
  } },
  h('label', { class: 'drop', for: 'file' }, h('strong', {}, 'Drop a file here, or choose one'), h('span', {}, 'CSV, NDJSON, Parquet or Arrow, plain or gzip'), chosen),
  h('div', { class: 'fields' }, elements.slice(0, COMMON)),
  h('details', { open: options.slice(COMMON).some(([name]) => query.has(name)) }, h('summary', {}, 'More options'), h('div', { class: 'fields' }, elements.slice(COMMON))),
  fault, h('p', { class: 'buttons' }, preview, store, cancel, busy));

  async function take() {
    store.disabled = true;
    setText(fault, '');
    replace(outcome, untried());
    if (chosen.files[0]) replace(first, await firstLines(chosen.files[0]));
  }

  let sending = null;
  /** A look at the file, or the import itself; the file is sent from where it lies. */
  async function send(isTrial) {
    const [file] = chosen.files;
    setText(fault, file ? '' : 'Choose a file first.');
    if (!file || sending) return;
    sending = new AbortController();
    const parameters = { ...values(), dry_run: isTrial };
    if (parameters.thousands === 'space') parameters.thousands = ' ';
    [preview.disabled, store.disabled, cancel.hidden] = [true, true, false];
    setText(busy, `${isTrial ? 'Looking at' : 'Importing'} ${file.name}, ${bytes(file.size)} …`);
    try {
      const response = await call('POST', 'api/import', {
        parameters, raw: file, headers: { 'content-type': 'application/octet-stream' }, signal: AbortSignal.any([signal, sending.signal]),
      });
      const answer = await response.json();
      replace(outcome, report(answer, file.name, parameters.symbol));
      store.disabled = !isTrial || answer.inserted + answer.updated === 0;
      if (!isTrial) {
        forgetInstruments();
        await propose();
      }
    } catch (error) {
      // Options of the command line are fields here.
      const label = (option, name) => options.find((of) => of[0] === name.replaceAll('-', '_'))?.[1] ?? option;
      setText(fault, error.name === 'AbortError' ? `Cancelled${isTrial ? '' : ' here; a file that had arrived whole is stored all the same'}.` : `✕ ${(error.text ?? error.message).replace(/--([a-z-]+)/g, label).replace(/^the file/, () => file.name)}`);
    }
    sending = null;
    setText(busy, '');
    [preview.disabled, cancel.hidden] = [false, true];
    // Their buttons were taken from those who work by the keyboard.
    if ([cancel, document.body].includes(document.activeElement)) preview.focus();
  }

  for (const type of ['dragover', 'dragleave', 'drop']) {
    root.addEventListener(type, (event) => {
      event.preventDefault();
      form.classList.toggle('over', type === 'dragover');
      if (type !== 'drop' || sending || event.dataTransfer.files.length === 0) return;
      chosen.files = event.dataTransfer.files;
      take();
    });
  }
  return form;
}

/** The first lines of a text, so that one can compare them with what was made of them. */
async function firstLines(file) {
  const packed = await file.slice(0, HEAD_BYTES).arrayBuffer();
  const [magic, second] = new Uint8Array(packed);
  const parts = [];
  if (magic !== 0x1f || second !== 0x8b) parts.push(packed);
  else {
    try {
      for await (const part of new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))) parts.push(part);
    } catch {
      // It breaks off, as the rest of the file is not here.
    }
  }
  const text = await new Blob(parts).text();
  if (!text || text.includes('\0')) return empty(text ? 'This is no text: the preview tells its columns.' : 'The file is empty, or cannot be unpacked.');
  return lines(`The first lines of ${file.name}`, text.trimEnd().split(/\r?\n/, LINES_MAX).map((line, index) => `${String(index + 1).padStart(2)}  ${line.slice(0, 400)}\n`));
}

/** What became of the rows of a file, or would become of them, in words and figures. */
function report(of, name, symbol) {
  const stored = of.inserted + of.updated;
  const isGood = stored && !of.rejected;
  const [file] = of.files;
  const others = of.other_symbols;
  const isUtc = !file.timezone_named && !file.timestamp_form?.startsWith('Unix');
  const warnings = [
    [of.late, 'Late ticks, older than the newest one of the instrument: they are stored, and fire no rule'], [of.timestamps_truncated, 'Stamps finer than a microsecond, which are cut'],
    [of.repeated_keys, 'Rows with the key of an earlier row of the file'], [of.zero_prices, 'Rows with a price of 0, which may not be meant'],
    [file.lines_before_header, 'Lines before the header, which are passed over'],
    [isUtc, 'No time zone is named: stamps without one are read as UTC'], [file.newest_first, 'The newest row comes first: rows of one stamp are numbered from the bottom'],
  ].filter(([value]) => value);
  const link = (to, words) => [h('a', { href: `#/${to}` }, words), ' '];
  return [
    h('p', { class: isGood ? 'verdict up' : 'verdict', role: 'status' }, `${isGood ? '✓' : '!'} ${count(stored)} of ${count(of.read)} rows ${of.dry_run ? 'would be stored; nothing is stored yet' : 'are stored'}.`),
    !of.dry_run && h('p', {}, symbol && link(`instrument/${encodeURIComponent(symbol.toUpperCase())}`, `Show ${symbol}`), link('prices', 'Show prices'), link('coverage', 'Show coverage')),
    h('ul', { class: 'warnings' }, warnings.map(([value, words]) => h('li', {}, `! ${words}${value === true ? '' : `: ${count(value)}`}`))),
    h('h3', {}, 'Rows'),
    table('Rows', null, [
      ['Read', of.read], ['New', of.inserted], ['Bars replaced', of.updated], ['Duplicates: the same is stored', of.duplicates],
      ['Conflicts: other values are stored, and stay', of.conflicts], ['Deleted before, and stay so', of.deleted], ['Rejected', of.rejected], ['Of other symbols, not stored', others.rows],
    ].map(([label, value]) => [label, count(value)])),
    others.count > 0 && h('p', { class: 'faint' }, `Other symbols: ${count(others.count)}, such as ${others.symbols.map((item) => `${item.symbol} (${count(item.rows)})`).join(', ')}`),
    h('h3', {}, `How ${name} is read`),
    table('How the file is read', null, [
      ['Rows', file.frequency ? `bars of ${file.frequency}` : file.kind], ['Stamps', `${file.timestamp_form ?? 'none was read'}, ${file.timezone}`],
      ...Object.entries(file.columns).map(([to, column]) => [`Field ${to}`, `Column ${column}`]), ['Not used', file.unused.join(', ') || 'none'],
    ], { areWords: true }),
    of.errors.length > 0 && [h('h3', {}, 'Rows that are not stored, the first 100'),
      table('Rows that are not stored', ['Line', 'Why'], of.errors.map(({ line, reason }) => [count(line), reason]), { areWords: true })],
  ];
}

/** Ticks or bars of a symbol, as a download, and as a line for a shell. */
function exports(query, signal) {
  const { elements, values, keep } = fieldsOf(EXPORT, query, 'export_');
  const fault = alert();
  const busy = status();
  const line = lines('The same by curl');
  const start = button('Download');
  const form = h('form', { oninput: draw, onsubmit: (event) => {
    event.preventDefault();
    load();
  }, onchange: keep }, h('div', { class: 'fields' }, elements),
  fault, h('p', { class: 'buttons' }, start, busy),
  h('p', { class: 'faint' }, 'The browser holds a download in memory. For more than some hundred MB let curl write a file:'),
  line, h('p', { class: 'buttons' }, button('Copy the line', copy)));

  function request() {
    const { symbol, kind, frequency, start: from, end: to, format } = values();
    const utc = (text) => text && `${text}Z`;
    const parameters = { symbol: symbol.toUpperCase(), frequency: kind && (frequency || '1min'), start: utc(from), end: utc(to), format: format || 'csv' };
    const name = [parameters.symbol.replace(/[^\w.-]+/g, '_'), parameters.frequency || 'ticks', from.slice(0, 10), to.slice(0, 10)].filter(Boolean).join('-');
    return { path: `api/${kind || 'ticks'}`, parameters, name: `${name}.${parameters.format}` };
  }

  function draw() {
    const { path, parameters, name } = request();
    elements[2].hidden = !parameters.frequency;
    setText(line, parameters.symbol ? `curl -f -o '${name}' ${token() ? '-H "Authorization: Bearer $TOKEN" ' : ''}'${address(path, parameters)}'` : 'Name a symbol first.');
  }

  async function copy() {
    // A page without TLS has no clipboard: then the line is marked, to be copied by the keyboard.
    getSelection().selectAllChildren(line);
    const isCopied = await navigator.clipboard?.writeText(line.textContent).then(() => true, () => false);
    setText(busy, isCopied ? '✓ Copied' : 'The line is marked: copy it by the keyboard');
  }

  async function load() {
    const { path, parameters, name } = request();
    start.disabled = true;
    setText(fault, '');
    setText(busy, `Reading ${name} …`);
    try {
      const response = await call('GET', path, { parameters, headers: { accept: '*/*' }, signal });
      const blob = await response.blob();
      download(name, blob);
      setText(busy, `✓ ${name}, ${bytes(blob.size)}`);
    } catch (error) {
      setText(busy, '');
      setText(fault, `✕ ${error.text ?? 'The answer broke off: try again, or use the line below'}`);
    }
    start.disabled = false;
  }

  addEventListener('token', draw, { signal });
  draw();
  return form;
}
