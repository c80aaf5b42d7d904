// The view of alerts.
import { h, replace } from '../dom.js';
export const title = 'Alerts';
export async function show(root) {
  replace(root, h('h1', {}, title));
}
