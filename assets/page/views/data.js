// The view of data.
import { h, replace } from '../dom.js';
export const title = 'Data';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
