// The view of coverage.
import { h, replace } from '../dom.js';
export const title = 'Coverage';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
