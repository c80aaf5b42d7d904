// The dialog of the view of prices that adds an instrument.

import { forgetInstruments, post } from '../api.js';
import { field, formDialog, h, say, select } from '../dom.js';

const TYPES = [
  ['future', 'Future'], ['index', 'Index'], ['internal', 'Market internal, such as breadth'],
  ['equity', 'Equity'], ['fx', 'Currency pair'], ['crypto', 'Crypto-currency pair'],
];
const CALENDARS = [
  ['', 'That of its type'], ['24x7', 'Every day'], ['weekdays', 'Monday to Friday, UTC'],
  ['XNYS', 'New York Stock Exchange'], ['XNAS', 'Nasdaq'],
];

/** Asks for an instrument and adds it; `onadded` is told when there is one more. */
export function addInstrument(onadded, signal) {
  const symbol = h('input', { required: true, maxlength: 32, autocomplete: 'off', spellcheck: 'false', autofocus: true });
  const name = h('input', { required: true, maxlength: 200, autocomplete: 'off' });
  const type = select(TYPES, 'future');
  const places = h('input', { type: 'number', min: 0, max: 15, step: 1 });
  const calendar = select(CALENDARS, '');
  formDialog('Add an instrument', [
    field('Symbol', symbol, 'As ticks name it. It is kept in capitals, and cannot be changed.'),
    field('Name', name),
    h('div', { class: 'pair' },
      field('Type', type),
      field('Price places', places, 'Empty: prices as they are stored.')),
    field('Trading calendar', calendar, 'Coverage goes by it: when ticks are expected.'),
  ], 'Add it', async () => {
    const body = { symbol: symbol.value.trim(), name: name.value.trim(), type: type.value };
    if (places.value !== '') body.price_decimals = Number(places.value);
    if (calendar.value) body.calendar = calendar.value;
    const added = await post('api/instruments', { body });
    forgetInstruments();
    onadded();
    say(`${added.symbol} was added.`);
  }, signal);
}
