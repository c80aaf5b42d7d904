// Files out: ticks or bars of a symbol, as a download, and as a line for a shell.

import { address, call, token } from '../api.js';
import { download, field, h, replace, select, setText } from '../dom.js';
import { bytes } from '../format.js';
import { setQuery } from '../main.js';

const FREQUENCIES = ['1min', '5min', '15min', '30min', '1h', '4h', '1d', '1w', '1M'];
const FORMATS = [['csv', 'CSV'], ['ndjson', 'NDJSON'], ['parquet', 'Parquet'], ['arrow', 'Arrow stream']];
/** The progress is told so often. */
const TELL_MS = 250;

export function exports(query, signal) {
  const of = (name) => query.get(`export_${name}`) ?? '';
  const list = h('datalist', { id: 'list-exported' });
  const controls = {
    symbol: h('input', { value: of('symbol'), list: 'list-exported', required: true, autocomplete: 'off', spellcheck: 'false' }),
    kind: select(['ticks', 'bars'], of('kind') || 'ticks'),
    frequency: select(FREQUENCIES, of('frequency') || '1min'),
    start: h('input', { type: 'datetime-local', step: 1, value: of('start') }),
    end: h('input', { type: 'datetime-local', step: 1, value: of('end') }),
    format: select(FORMATS, of('format') || 'csv'),
  };
  const period = field('Period of bars', controls.frequency);
  const fault = h('p', { class: 'fault', role: 'alert' });
  const busy = h('p', { class: 'busy', role: 'status' });
  const line = h('pre', { tabindex: 0, role: 'region', 'aria-label': 'The same by curl' });
  const start = h('button', { type: 'submit', class: 'main' }, 'Download');
  const cancel = h('button', { type: 'button', hidden: true, onclick: () => loading?.abort() }, 'Cancel');
  const copy = h('button', { type: 'button', onclick: copyLine }, 'Copy the line');
  const form = h('form', { onsubmit: (event) => {
    event.preventDefault();
    load();
  } },
  h('div', { class: 'fields' },
    field('Symbol', controls.symbol), field('Rows', controls.kind), period,
    field('From (UTC)', controls.start, 'From the first row when empty.'), field('To (UTC, not part of it)', controls.end, 'To the last row when empty.'),
    field('Form', controls.format), list),
  fault,
  h('p', { class: 'buttons' }, start, cancel, busy),
  h('p', { class: 'faint' }, 'A download goes through the memory of the browser. For more than some hundred MB let curl write the same to a file:'),
  line, h('p', { class: 'buttons' }, copy));

  const value = (name) => controls[name].value.trim();
  const moment = (name) => value(name) && `${value(name)}${value(name).length === 16 ? ':00' : ''}Z`;
  const request = () => {
    const isBars = value('kind') === 'bars';
    return [`api/${value('kind')}`, {
      symbol: value('symbol').toUpperCase(), frequency: isBars ? value('frequency') : null, start: moment('start'), end: moment('end'), format: value('format'),
    }];
  };
  function fileName() {
    const [, { symbol, frequency, format }] = request();
    const days = [value('start').slice(0, 10), value('end').slice(0, 10)].filter(Boolean);
    return `${[symbol.replace(/[^\w.-]+/g, '_'), frequency ?? 'ticks', ...days].join('-')}.${format}`;
  }

  function draw() {
    period.hidden = value('kind') !== 'bars';
    const [path, parameters] = request();
    setText(line, parameters.symbol
      ? `curl -f -o '${fileName()}' ${token() ? '-H "Authorization: Bearer $TOKEN" ' : ''}'${address(path, parameters)}'`
      : 'Name a symbol first.');
    copy.disabled = !parameters.symbol;
  }

  async function copyLine() {
    try {
      await navigator.clipboard.writeText(line.textContent);
      setText(busy, '✓ Copied.');
    } catch {
      // Pages without TLS have no clipboard: the line is marked, to be copied by hand.
      getSelection().selectAllChildren(line);
      setText(busy, 'The line is marked: copy it by the keyboard.');
    }
  }

  let loading = null;
  async function load() {
    if (loading) return;
    loading = new AbortController();
    [start.disabled, cancel.hidden] = [true, false];
    setText(fault, '');
    const [path, parameters] = request();
    const name = fileName();
    try {
      setText(busy, `Reading ${name} …`);
      const response = await call('GET', path, { parameters, headers: { accept: '*/*' }, signal: AbortSignal.any([signal, loading.signal]) });
      const blob = await received(response, (size) => setText(busy, `Reading ${name}: ${bytes(size)}`));
      download(name, blob);
      setText(busy, `✓ ${name}, ${bytes(blob.size)}`);
    } catch (error) {
      setText(busy, '');
      setText(fault, error.name === 'AbortError' ? 'Cancelled.'
        : `✕ ${error.text ?? 'the answer broke off before its end, so no file was made; try again, or use the line below'}`);
    } finally {
      loading = null;
      [start.disabled, cancel.hidden] = [false, true];
    }
  }

  form.addEventListener('input', draw, { signal });
  form.addEventListener('change', () => setQuery(Object.fromEntries(Object.entries(controls).map(([name, control]) => [`export_${name}`, control.value]))), { signal });
  addEventListener('token', draw, { signal });
  draw();
  return { element: form, propose: (symbols) => replace(list, symbols.map((symbol) => h('option', { value: symbol }))) };
}

async function received(response, tell) {
  const parts = [];
  let size = 0;
  let told = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (Date.now() - told > TELL_MS) {
      told = Date.now();
      tell(size);
    }
  }
  return new Blob(parts, { type: response.headers.get('content-type') });
}
