// The view of instrument.
import { h, replace } from '../dom.js';
export const title = 'Instrument';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
