// The view of health.
import { h, replace } from '../dom.js';
export const title = 'Health';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
