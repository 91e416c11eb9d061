// The page's view "Explain": a small network learns, step by step, in the browser.

import { View } from './view.js';

const STYLES = new URL('explain.css', import.meta.url).href;

/** Shows the view in an element; the answer ends it. */
export function mount(element) {
  if (document.querySelector(`link[href="${STYLES}"]`) === null) {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = STYLES;
    document.head.append(link);
  }

  const view = new View();
  element.replaceChildren(view.element);
  return function unmount() {
    view.close();
    view.element.remove();
  };
}
