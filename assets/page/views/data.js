// The view of data: files in, with a look at them before anything is stored, and files out.

import { call, forgetInstruments, get, instruments } from '../api.js';
import { field, h, replace, select, setText } from '../dom.js';
import { bytes } from '../format.js';
import { setQuery } from '../main.js';
import { exports } from './data-export.js';
import { firstLines, report } from './data-report.js';

export const title = 'Data';

const TYPES = ['future', 'index', 'internal', 'equity', 'fx', 'crypto'];
const FREQUENCIES = ['1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M'];
const PRESETS = 'alpaca-bars alpaca-quotes alpaca-trades binance-aggtrades binance-klines binance-trades databento-mbp-1 databento-ohlcv databento-trades dukascopy-bars dukascopy-ticks finnhub-trades histdata-m1 histdata-mt histdata-ticks kraken-ohlcvt kraken-trades mt4-bars mt5-bars mt5-ticks polygon-day polygon-minute polygon-quotes polygon-trades stooq-daily stooq-intraday tardis-quotes tardis-trades truefx'.split(' ');

/** The options of an import: name, label, hint, and its choices, its list of proposals, or true for a box to tick. */
const COMMON = [
  ['symbol', 'Symbol', 'Of all rows. Without it each row names its own.', null, 'symbols'],
  ['create', 'Add missing instruments as', 'Else a symbol that is not known is refused.', [['', 'none is added'], ...TYPES]],
  ['preset', 'Layout of a vendor', 'Its columns, stamps and zone.', [['', 'none: by the names of the columns'], ...PRESETS]],
  ['kind', 'Rows are', 'By default open, high, low and close make bars.', [['', 'what the columns say'], 'ticks', 'bars']],
  ['frequency', 'Period of bars', 'By default as they are spaced.', [['', 'as they are spaced'], ...FREQUENCIES]],
  ['timezone', 'Time zone', 'Of stamps without an offset; UTC by default.', null, 'zones'],
];
const FURTHER = [
  ['columns', 'Columns', 'Beside what the header says: timestamp=1,price=Kurs,high='],
  ['timestamp_format', 'Form of stamps', 'auto, iso, unix_s, unix_ms, unix_us, unix_ns, or a pattern: %Y%m%d %H%M%S%3f', null, 'forms'],
  ['date_order', 'First in dates like 01/02/2024', 'By default what the whole file proves.', [['', 'by the file'], 'day', 'month', 'year']],
  ['stamps_are', 'Stamps of bars are the', 'Which end of its period a bar is named by.', [['', 'start of the period'], ['end', 'end of the period']]],
  ['source', 'Data source', 'tickbase by default.', null, 'sources'],
  ['format', 'Form of the text', '', [['', 'by the file'], 'csv', 'ndjson']],
  ['skip_lines', 'Lines to pass over', 'Before anything is looked at.'],
  ['thousands', 'Between thousands', 'As in 21,940.5.', [['', 'nothing'], [',', 'a comma'], ['.', 'a point'], ["'", 'an apostrophe'], [' ', 'a space'], ['_', 'an underscore']]],
  ['decimal_comma', 'Numbers have a decimal comma: 1,5', '', true],
  ['suffixes', 'Numbers may end with K, M or B: 151.20K', '', true],
  ['create_source', 'Add the data source when it is not there', '', true],
  ['strict', 'Store nothing when any row is rejected', '', true],
  ['commit_each_batch', 'Commit every 10,000 rows, for very large files', '', true],
];
const LABELS = Object.fromEntries([...COMMON, ...FURTHER].map(([name, label]) => [name, label]));

export async function show(root, { query, signal }) {
  const controls = {};
  const lists = ['symbols', 'zones', 'forms', 'sources'].map((name) => h('datalist', { id: `list-${name}` }));
  const make = ([name, label, hint, choices, list]) => {
    const known = query.get(name);
    if (choices === true) {
      controls[name] = h('input', { type: 'checkbox', checked: known === 'true' });
      return h('label', { class: 'check' }, controls[name], label);
    }
    controls[name] = choices ? select(choices, known ?? '')
      : h('input', { value: known ?? '', list: list && `list-${list}`, autocomplete: 'off', spellcheck: 'false', ...(name === 'skip_lines' && { type: 'number', min: 0 }) });
    return field(label, controls[name], hint);
  };
  const chosen = h('input', { type: 'file', id: 'file' });
  const about = h('p', { class: 'about' }, 'No file yet.');
  const fault = h('p', { class: 'fault', role: 'alert' });
  const busy = h('p', { class: 'busy', role: 'status' });
  const lines = h('div', { class: 'lines' }, h('p', { class: 'empty' }, 'The first lines of the file stand here.'));
  const outcome = h('div', { class: 'outcome' }, h('p', { class: 'empty' }, 'A preview says what the columns are taken for and how many rows would be stored. It stores nothing.'));
  const preview = h('button', { type: 'submit', class: 'main' }, 'Preview');
  const store = h('button', { type: 'button', disabled: true, onclick: () => send(false) }, 'Import');
  const cancel = h('button', { type: 'button', hidden: true, onclick: () => sending?.abort() }, 'Cancel');
  const form = h('form', { novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    send(true);
  } },
  h('label', { class: 'drop', for: 'file' }, h('strong', {}, 'Drop a file here, or choose one'), h('span', {}, 'CSV, NDJSON, Parquet or Arrow, plain or gzip'), chosen),
  about,
  h('div', { class: 'fields' }, COMMON.map(make)),
  h('details', {}, h('summary', {}, 'More options'), h('div', { class: 'fields' }, FURTHER.map(make))),
  fault,
  h('p', { class: 'buttons' }, preview, store, cancel, busy), lists);
  if (FURTHER.some(([name]) => query.has(name))) form.querySelector('details').open = true;
  const part = (heading, ...content) => h('section', { class: 'panel' }, h('h2', {}, heading), content);
  const exporting = exports(query, signal);
  replace(root, h('h1', {}, title),
    h('div', { class: 'halves' }, part('Import a file', form), h('div', { class: 'right' }, part('First lines', lines), part('Preview and outcome', outcome))),
    part('Export', exporting.element));

  /** The options that are chosen; what is left out is the server's default. */
  const options = () => Object.fromEntries(Object.entries(controls)
    .map(([name, control]) => [name, control.type === 'checkbox' ? control.checked || '' : control.value === ' ' ? ' ' : control.value.trim()])
    .filter(([, value]) => value !== ''));

  let sending = null;
  let file = null;
  async function take(files) {
    setText(fault, files.length > 1 ? 'One file at a time: the first one is taken.' : '');
    [file] = files;
    store.disabled = true;
    if (!file) return;
    setText(about, `${file.name}, ${bytes(file.size)}`);
    replace(lines, await firstLines(file));
  }

  /** A preview, or the import itself; the file is sent as it is, from where it lies. */
  async function send(isTrial) {
    if (sending) return;
    setText(fault, file ? '' : 'Choose a file first.');
    if (!file) return chosen.focus();
    sending = new AbortController();
    const parameters = { ...options(), ...(isTrial && { dry_run: true }) };
    [preview.disabled, store.disabled, cancel.hidden] = [true, true, false];
    setText(busy, `${isTrial ? 'Looking at' : 'Importing'} ${file.name} …`);
    form.setAttribute('aria-busy', 'true');
    try {
      const response = await call('POST', 'api/import', {
        parameters, raw: file, headers: { 'content-type': 'application/octet-stream' }, signal: AbortSignal.any([signal, sending.signal]),
      });
      const answer = await response.json();
      replace(outcome, report(answer, file.name, parameters.symbol));
      store.disabled = !isTrial || answer.inserted + answer.updated === 0;
      store.className = store.disabled ? '' : 'main';
      if (!isTrial && parameters.create) {
        forgetInstruments();
        propose().catch(() => {});
      }
    } catch (error) {
      // Texts that name options of the command line mean the fields here.
      const words = (error.text ?? error.message).replace(/--([a-z-]+)/g, (all, name) => (LABELS[name.replaceAll('-', '_')] ? `"${LABELS[name.replaceAll('-', '_')]}"` : all));
      setText(fault, error.name === 'AbortError' ? 'Cancelled. What was not committed is not stored.' : `✕ ${words}`);
    } finally {
      sending = null;
      setText(busy, '');
      [preview.disabled, cancel.hidden] = [false, true];
      form.removeAttribute('aria-busy');
    }
  }

  async function propose() {
    const [all, { sources }] = await Promise.all([instruments(), get('api/historical-data/sources', { signal })]);
    const values = [all.map((of) => of.symbol), Intl.supportedValuesOf('timeZone'), ['auto', 'iso', 'unix_s', 'unix_ms', 'unix_us', 'unix_ns'], sources.map((of) => of.name)];
    lists.forEach((list, index) => replace(list, values[index].map((value) => h('option', { value }))));
    exporting.propose(all.map((of) => of.symbol));
  }

  chosen.addEventListener('change', () => take(chosen.files), { signal });
  form.addEventListener('change', (event) => {
    if (event.target === chosen) return;
    // What was looked at is no longer what would be imported.
    store.disabled = true;
    store.className = '';
    setQuery(Object.fromEntries(Object.keys(controls).map((name) => [name, options()[name] ?? null])));
  }, { signal });
  root.addEventListener('dragover', (event) => {
    event.preventDefault();
    form.classList.add('over');
  });
  root.addEventListener('dragleave', () => form.classList.remove('over'));
  root.addEventListener('drop', (event) => {
    event.preventDefault();
    form.classList.remove('over');
    if (event.dataTransfer.files.length === 0 || sending) return;
    chosen.files = event.dataTransfer.files;
    take(chosen.files);
  });
  await propose();
}
