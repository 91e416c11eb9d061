// Elements without markup: text is only ever set as text, so nothing that a run, a node or a
// user is called can become HTML.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `properties`: `class`, `on` ({event: listener}), `dataset`, `style` ({name: value},
 * set through CSSOM), anything else as an attribute (true: present, false or null: absent).
 */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An element of an SVG. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Puts children, or texts, in the place of what an element has. */
export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isShown));
  return element;
}

/** Sets a text, touching the document only where it changes. */
export function setText(element, text) {
  const value = text === null || text === undefined ? '' : String(text);
  if (element.textContent !== value) {
    element.textContent = value;
  }
}

/** Sets or takes away an attribute, touching the document only where it changes. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) {
      element.removeAttribute(name);
    }
  } else {
    const text = value === true ? '' : String(value);
    if (element.getAttribute(name) !== text) {
      element.setAttribute(name, text);
    }
  }
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name === 'class') {
      element.setAttribute('class', value);
    } else if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (name === 'dataset') {
      Object.assign(element.dataset, value);
    } else if (name === 'style') {
      for (const [key, text] of Object.entries(value)) {
        element.style.setProperty(key, text);
      }
    } else {
      setAttribute(element, name, value);
    }
  }

  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}
