// The view of prices.
import { h, replace } from '../dom.js';
export const title = 'Prices';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
