// Files out: ticks or bars of a symbol, as a download, and as a line for a shell.

import { address, call, token } from '../api.js';
import { download, field, h, select, setText } from '../dom.js';
import { bytes, FREQUENCIES } from '../format.js';
import { setQuery } from '../main.js';

export function exports(query, signal) {
  const of = (name) => query.get(`export_${name}`) ?? '';
  const moment = (name) => h('input', { type: 'datetime-local', step: 1, value: of(name) });
  const controls = {
    symbol: h('input', { value: of('symbol'), list: 'list-symbol', required: true, spellcheck: 'false' }),
    kind: select(['ticks', 'bars'], of('kind')), frequency: select(FREQUENCIES, of('frequency')), start: moment('start'), end: moment('end'),
    format: select([['csv', 'CSV'], ['ndjson', 'NDJSON'], ['parquet', 'Parquet'], ['arrow', 'Arrow']], of('format')),
  };
  const period = field('Period of bars', controls.frequency);
  const fault = h('p', { class: 'fault', role: 'alert' });
  const busy = h('span', { role: 'status' });
  const line = h('pre', { tabindex: 0, role: 'region', 'aria-label': 'The same by curl' });
  const start = h('button', { type: 'submit', class: 'main' }, 'Download');
  const cancel = h('button', { type: 'button', hidden: true, onclick: () => loading.abort() }, 'Cancel');
  const form = h('form', { oninput: draw, onsubmit: (event) => {
    event.preventDefault();
    load();
  }, onchange: () => setQuery(Object.fromEntries(Object.entries(controls).map(([name, control]) => [`export_${name}`, control.value]))) },
  h('div', { class: 'fields' }, field('Symbol', controls.symbol), field('Rows', controls.kind), period,
    field('From (UTC)', controls.start, 'The first row when empty.'), field('Before (UTC)', controls.end, 'To the last row when empty.'), field('Form', controls.format)),
  fault, h('p', { class: 'buttons' }, start, cancel, busy),
  h('p', { class: 'faint' }, 'A download goes through the memory of the browser. For more than some hundred MB let curl write the same to a file:'),
  line, h('p', { class: 'buttons' }, h('button', { type: 'button', onclick: copy }, 'Copy the line')));

  function request() {
    const [symbol, kind, frequency, from, to, format] = Object.values(controls).map((control) => control.value.trim());
    const utc = (text) => text && `${text}Z`;
    const parameters = { symbol: symbol.toUpperCase(), frequency: kind === 'bars' ? frequency : null, start: utc(from), end: utc(to), format };
    const name = [parameters.symbol.replace(/[^\w.-]+/g, '_'), parameters.frequency ?? 'ticks', from.slice(0, 10), to.slice(0, 10)].filter(Boolean).join('-');
    return { path: `api/${kind}`, parameters, name: `${name}.${format}` };
  }

  function draw() {
    const { path, parameters, name } = request();
    period.hidden = !parameters.frequency;
    setText(line, parameters.symbol ? `curl -f -o '${name}' ${token() ? '-H "Authorization: Bearer $TOKEN" ' : ''}'${address(path, parameters)}'` : 'Name a symbol first.');
  }

  async function copy() {
    // A page without TLS has no clipboard: then the line is marked, to be copied by the keyboard.
    getSelection().selectAllChildren(line);
    const isCopied = await navigator.clipboard?.writeText(line.textContent).then(() => true, () => false);
    setText(busy, isCopied ? '✓ Copied' : 'The line is marked: copy it by the keyboard');
  }

  let loading = null;
  async function load() {
    loading = new AbortController();
    [start.disabled, cancel.hidden] = [true, false];
    setText(fault, '');
    const { path, parameters, name } = request();
    setText(busy, `Reading ${name} …`);
    try {
      const response = await call('GET', path, { parameters, headers: { accept: '*/*' }, signal: AbortSignal.any([signal, loading.signal]) });
      const blob = await response.blob();
      download(name, blob);
      setText(busy, `✓ ${name}, ${bytes(blob.size)}`);
    } catch (error) {
      setText(busy, '');
      setText(fault, error.name === 'AbortError' ? 'Cancelled.' : `✕ ${error.text ?? 'The answer broke off, so no file is made; try again, or use the line below'}`);
    }
    [start.disabled, cancel.hidden] = [false, true];
  }

  addEventListener('token', draw, { signal });
  draw();
  return form;
}
