// The view of data: files in, with a look at them before anything is stored, and files out.

import { call, forgetInstruments, get, instruments } from '../api.js';
import { field, h, replace, select, setText } from '../dom.js';
import { bytes, FREQUENCIES } from '../format.js';
import { setQuery } from '../main.js';
import { exports } from './data-export.js';
import { firstLines, report } from './data-report.js';

export const title = 'Data';

const PRESETS = 'alpaca-bars alpaca-quotes alpaca-trades binance-aggtrades binance-klines binance-trades databento-mbp-1 databento-ohlcv databento-trades dukascopy-bars dukascopy-ticks finnhub-trades histdata-m1 histdata-mt histdata-ticks kraken-ohlcvt kraken-trades mt4-bars mt5-bars mt5-ticks polygon-day polygon-minute polygon-quotes polygon-trades stooq-daily stooq-intraday tardis-quotes tardis-trades truefx';
const ZONES = Intl.supportedValuesOf('timeZone');

/** The options of an import by name: a label, choices or proposals or true for a box to tick, and a hint. */
const COMMON = {
  symbol: ['Symbol', null, 'Without it each row names its own.'],
  create: ['Add missing instruments as', [['', 'none is added'], 'future', 'index', 'internal', 'equity', 'fx', 'crypto']],
  preset: ['Layout of a vendor', [['', 'none'], ...PRESETS.split(' ')]],
  kind: ['Rows are', [['', 'what the columns say'], 'ticks', 'bars']],
  frequency: ['Period of bars', [['', 'as they are spaced'], ...FREQUENCIES]],
  timezone: ['Time zone of stamps without one', null, 'UTC when empty.'],
};
const FURTHER = {
  columns: ['Columns', null, 'As timestamp=1,price=Kurs,high='],
  timestamp_format: ['Form of stamps', null, 'iso, unix_s, unix_ms, unix_us, unix_ns, or as %Y%m%d %H%M%S%3f'],
  date_order: ['First in dates like 01/02/2024', [['', 'what the file proves'], 'day', 'month', 'year']],
  stamps_are: ['Bars are named by their', [['', 'start'], 'end']],
  source: ['Data source', null, 'tickbase when empty.'],
  format: ['Form of the text', [['', 'what it looks like'], 'csv', 'ndjson']],
  skip_lines: ['Lines to pass over', null],
  thousands: ['Between thousands', [['', 'nothing'], [',', 'comma'], ['.', 'point'], ["'", 'apostrophe'], [' ', 'space'], ['_', 'underscore']]],
  decimal_comma: ['Numbers have a decimal comma: 1,5', true],
  suffixes: ['Numbers may end with K, M or B', true],
  create_source: ['Add the data source when it lacks', true],
  strict: ['One bad row refuses all', true],
  commit_each_batch: ['Commit every 10,000 rows', true],
};

export async function show(root, { query, signal }) {
  const controls = {};
  const lists = ['symbol', 'timezone', 'source'].map((name) => h('datalist', { id: `list-${name}` }));
  const fields = (options) => h('div', { class: 'fields' }, Object.entries(options).map(([name, [label, choices, hint]]) => {
    const value = query.get(name) ?? '';
    const control = choices === true ? h('input', { type: 'checkbox', checked: value === 'true' })
      : choices ? select(choices, value) : h('input', { value, list: `list-${name}`, spellcheck: 'false' });
    controls[name] = control;
    return choices === true ? h('label', { class: 'check' }, control, label) : field(label, control, hint);
  }));
  const chosen = h('input', { type: 'file', id: 'file', onchange: () => take() });
  const fault = h('p', { class: 'fault', role: 'alert' });
  const busy = h('span', { role: 'status' });
  const lines = h('div', { class: 'lines' }, h('p', { class: 'empty' }, 'Here stand the first lines of the file.'));
  const outcome = h('div', { class: 'outcome' }, h('p', { class: 'empty' }, 'A preview stores nothing: it tells what each column is taken for, and how many rows would be stored.'));
  const preview = h('button', { type: 'submit', class: 'main' }, 'Preview');
  const store = h('button', { type: 'button', disabled: true, onclick: () => send(false) }, 'Import');
  const cancel = h('button', { type: 'button', hidden: true, onclick: () => sending.abort() }, 'Cancel');
  const common = fields(COMMON);
  const further = h('details', { open: Object.keys(FURTHER).some((name) => query.has(name)) }, h('summary', {}, 'More options'), fields(FURTHER));
  const form = h('form', { onsubmit: (event) => {
    event.preventDefault();
    send(true);
  }, onchange: ({ target }) => {
    // What was looked at is no longer what would be imported.
    store.disabled = true;
    if (target !== chosen) setQuery({ ...Object.fromEntries(Object.keys(controls).map((name) => [name, null])), ...options() });
  } },
  h('label', { class: 'drop', for: 'file' }, h('strong', {}, 'Drop a file here, or choose one'), h('span', {}, 'CSV, NDJSON, Parquet or Arrow, plain or gzip'), chosen),
  common, further, fault, h('p', { class: 'buttons' }, preview, store, cancel, busy), lists);
  const panel = (heading, content) => h('section', { class: 'panel' }, h('h2', {}, heading), content);
  const exporting = exports(query, signal);
  replace(root, h('h1', {}, title),
    h('div', { class: 'halves' }, panel('Import a file', form), h('div', {}, panel('First lines', lines), panel('Preview and outcome', outcome))),
    panel('Export', exporting));

  function options() {
    const values = Object.entries(controls).map(([name, control]) => [name, control.type === 'checkbox' ? control.checked || '' : control.value]);
    return Object.fromEntries(values.filter(([, value]) => value !== ''));
  }

  let sending = null;
  async function take() {
    store.disabled = true;
    setText(fault, '');
    if (chosen.files[0]) replace(lines, await firstLines(chosen.files[0]));
  }

  /** A look at the file, or the import itself; the file is sent from where it lies. */
  async function send(isTrial) {
    const [file] = chosen.files;
    setText(fault, file ? '' : 'Choose a file first.');
    if (!file || sending) return;
    sending = new AbortController();
    const parameters = { ...options(), dry_run: isTrial };
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
      const label = (option, name) => ({ ...COMMON, ...FURTHER }[name.replaceAll('-', '_')]?.[0] ?? option);
      setText(fault, error.name === 'AbortError' ? 'Cancelled: what was not committed is not stored.' : `✕ ${(error.text ?? error.message).replace(/--([a-z-]+)/g, label)}`);
    }
    sending = null;
    setText(busy, '');
    [preview.disabled, cancel.hidden] = [false, true];
  }

  async function propose() {
    const [all, { sources }] = await Promise.all([instruments(), get('api/historical-data/sources', { signal })]);
    [all.map((of) => of.symbol), ZONES, sources.map((of) => of.name)].forEach((values, index) => replace(lists[index], values.map((value) => h('option', { value }))));
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
  await propose();
}
