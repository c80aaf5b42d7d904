// Makes elements. Text is always text: nothing of the data is ever read as HTML.

/**
 * Makes an element. Properties that begin with "on" are listeners, `class` is its classes, `data` its
 * dataset, a value of false, null or undefined leaves a property out, anything else is an attribute.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === false || value === null || value === undefined) continue;
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
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Puts these children in the place of all that an element has. */
export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** Sets a text only when it differs: layout is not computed again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A button that is no submit button. */
export function button(text, onclick, properties) {
  return h('button', { type: 'button', onclick, ...properties }, text);
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

/** A dialog over the page; it is gone when it is closed. `content` is told how to close it. */
export function dialog(title, content, onclose) {
  const box = h('dialog', { 'aria-labelledby': 'dialog-title' });
  const close = () => box.close();
  box.addEventListener('close', () => {
    box.remove();
    onclose?.();
  });
  box.append(
    h('header', {}, h('h2', { id: 'dialog-title' }, title),
      h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: close }, '✕')),
    content(close),
  );
  document.body.append(box);
  box.showModal();
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

/** Says something above the view: `kind` is "error" or "done". Errors stay until they are closed. */
export function say(text, kind = 'done') {
  const close = () => message.remove();
  const message = h('div', { class: `message ${kind}`, role: kind === 'error' ? 'alert' : 'status' },
    h('span', {}, text),
    h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close this message', onclick: close }, '✕'));
  // The same words once.
  for (const other of messages.children) if (other.firstChild.textContent === text) other.remove();
  messages.append(message);
  while (messages.children.length > 4) messages.firstChild.remove();
  if (kind !== 'error') setTimeout(close, 6_000);
}

/** Shows an error in words; one that comes from leaving a view is none. */
export function sayError(error) {
  if (error?.name === 'AbortError') return;
  console.info(error);
  say(error?.text ?? `The page has a defect: ${error?.message ?? error}`, 'error');
}
