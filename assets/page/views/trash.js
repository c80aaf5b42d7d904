// The view of the trash: what was deleted, by whom and why, and taking it back.

import { forgetInstruments, get, post } from '../api.js';
import { button, h, replace, say, sayError, table } from '../dom.js';
import { counted, dateTime } from '../format.js';

export const title = 'Trash';

/** What comes back by itself; the rest with the whole of its deletion. */
const PATHS = { instrument: 'instruments', rule: 'rules' };

export async function show(root, { query, signal }) {
  const list = h('div');
  const back = (label, path) => button(label, async () => {
    try {
      await post(`api/${path}`, { signal });
      say('Restored');
    } catch (error) {
      sayError(error);
    }
    forgetInstruments();
    await fill();
  });
  async function fill() {
    const { trash, next } = await get('api/trash', { parameters: { before: query.get('before') }, signal });
    let last;
    const rows = trash.map((of) => {
      const isFirst = last !== of.deletion_id;
      last = of.deletion_id;
      return [
        dateTime(of.deleted_at), `${counted(of.rows, of.kind.replace('_', ' '))} ${of.name}`, of.deleted_by ?? '–', of.reason ?? '–',
        h('span', { class: 'buttons' }, PATHS[of.kind] && back('Restore', `${PATHS[of.kind]}/${of.id}/restore`),
          isFirst && back('Undo the deletion', `deletions/${last}/undo`)),
      ];
    });
    replace(list, rows.length > 0 ? table(title, ['Deleted', 'What', 'By', 'Why', 'Take back'], rows, { areWords: true }) : h('p', { class: 'empty' }, 'The trash is empty.'),
      next && h('a', { href: `#/trash?before=${next}` }, 'Older'));
  }
  replace(root, h('h1', {}, title), list);
  await fill();
}
