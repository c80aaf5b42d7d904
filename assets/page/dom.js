// Makes elements. Text is always text: nothing of the data is ever read as HTML.

/**
 * Makes an element. Properties that begin with "on" are listeners, `class` is its classes, `data` its
 * dataset, a value of false, null or undefined leaves a property out, anything else is an attribute.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === false || value == null) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child != null && child !== false);
}

/** Puts these children in the place of all that an element has. */
export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** Brings these children into this order, and moves as few as it can. */
export function arrange(element, children) {
  let next = element.firstChild;
  for (const child of children) {
    if (child === next) next = next.nextSibling;
    else element.insertBefore(child, next);
  }
}

/** Makes an element of an SVG. */
export function svg(tag, properties, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text only when it differs: layout is not computed again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A button that does something here. */
export const button = (label, onclick, properties = {}) => h('button', { type: 'button', onclick, ...properties }, label);

/** A table with a caption for readers of the screen; `heads` are `th`, or pairs of class and text. */
export const tableOf = (caption, heads, body) => h('table', {}, h('caption', { class: 'said' }, caption),
  h('thead', {}, h('tr', {}, heads.map((head) => (Array.isArray(head) ? h('th', { scope: 'col', class: head[0] }, head[1]) : head)))), body);

/** Has "/" go to an input, which says so in its placeholder. */
export function reachBySlash(input, signal) {
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.closest('input, select, textarea, dialog');
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    event.preventDefault();
    input.select();
  }, { signal });
}

/** A labelled field of a form. Its control is the last child. */
export function field(label, control, hint) {
  const id = (control.id ||= `field-${++fields}`);
  const said = hint && h('small', { id: `${id}-hint` }, hint);
  if (said) control.setAttribute('aria-describedby', said.id);
  return h('div', { class: 'field' }, h('label', { for: id }, label), control, said);
}
let fields = 0;

/** A list of choices. `choices` are values, or pairs of value and label. */
export function select(choices, value, onchange, properties = {}) {
  const options = choices.map((choice) => {
    const [of, label] = Array.isArray(choice) ? choice : [choice, choice];
    return h('option', { value: of, selected: String(of) === String(value) }, label);
  });
  return h('select', { ...properties, onchange: onchange && ((event) => onchange(event.target.value)) }, options);
}

/** Rows of a table: the first cell names its row, the others are figures unless they are words. */
export function tableRows(rows, areWords) {
  return rows.map(([name, ...cells]) => h('tr', {}, h('th', { scope: 'row' }, name), cells.map((cell) => h('td', { class: !areWords && 'number' }, cell))));
}

/** A table in a box of its own, which scrolls. */
export function table(label, heads, rows, { areWords, ...properties } = {}) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label, ...properties }, h('table', {},
    heads && h('thead', {}, h('tr', {}, heads.map((head, index) => h('th', { scope: 'col', class: index > 0 && !areWords && 'number' }, head)))),
    h('tbody', {}, tableRows(rows, areWords))));
}

/** A dialog over the page; it is gone when it is closed. `content` is told how to close it. */
export function dialog(title, content, onclose) {
  // One dialog may ask for a token over another one.
  const id = `dialog-${++fields}`;
  const box = h('dialog', { 'aria-labelledby': id });
  const close = () => box.close();
  box.addEventListener('close', () => {
    box.remove();
    onclose?.();
  });
  box.append(
    h('header', {}, h('h2', { id }, title),
      button('✕', close, { class: 'quiet', 'aria-label': 'Close' })),
    content(close),
  );
  document.body.append(box);
  box.showModal();
  return box;
}

/**
 * A dialog with a form. `save` does what it is for: what it throws is said in the dialog, which keeps
 * what was typed; after it the dialog is closed. Leaving the view, by the signal, closes it too.
 */
export function formDialog(title, content, label, save, signal) {
  const refusal = h('p', { class: 'refusal', role: 'alert' });
  let isSaving = false;
  const submit = async (event, close) => {
    event.preventDefault();
    if (isSaving) return;
    isSaving = true;
    setText(refusal, '');
    try {
      await save();
      close();
    } catch (error) {
      setText(refusal, errorText(error));
    }
    isSaving = false;
  };
  const box = dialog(title, (close) =>
    h('form', { onsubmit: (event) => submit(event, close) }, content, refusal,
      h('p', { class: 'buttons' },
        h('button', { type: 'submit', class: 'main' }, label),
        button('Cancel', close))));
  signal?.addEventListener('abort', () => box.close());
  return box;
}

/** Has the browser store a file. */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const messages = document.getElementById('messages');

/**
 * Says something above the view: `kind` is "error" or "done". Errors stay until they are closed.
 * `action` is what may be done about it, as `{ label: 'Undo', run }`.
 */
export function say(text, kind = 'done', action = null) {
  const close = () => message.remove();
  const message = h('div', { class: `message ${kind}`, role: kind === 'error' ? 'alert' : 'status' },
    h('span', {}, text),
    action && button(action.label, () => { close(); action.run(); }),
    button('✕', close, { class: 'quiet', 'aria-label': 'Close this message' }));
  // The same words once.
  for (const other of messages.children) if (other.firstChild.textContent === text) other.remove();
  messages.append(message);
  while (messages.children.length > 4) messages.firstChild.remove();
  if (kind !== 'error') setTimeout(close, action ? 20_000 : 6_000);
}

/** Shows an error in words; one that comes from leaving a view is none. */
export function sayError(error) {
  if (error?.name === 'AbortError') return;
  console.info(error);
  say(errorText(error), 'error');
}

/** An error in words. */
export const errorText = (error) => error?.text ?? `The page has a defect: ${error?.message ?? error}`;
