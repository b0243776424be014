// Tags, attributes and texts come in, elements go out. Texts only ever become
// text: nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

// Children are elements or texts; an attribute that is null is left out.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Returns whether the text went to the clipboard.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not allowed, or not a secure context
  }
}
