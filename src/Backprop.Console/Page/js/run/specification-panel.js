// The text that a run was handed in as.

import { h, replace } from '../dom.js';
import { tokens } from '../editor/tokens.js';

const MOST_COLOURED = 60_000;

export class SpecificationPanel {
  constructor() {
    this.text = h('pre', { class: 'specification', tabindex: '0', role: 'region',
      'aria-label': 'Specification' });
    this.element = h('details', { class: 'panel' },
      h('summary', {}, h('h2', {}, 'Specification')), this.text);
  }

  show(text) {
    replace(this.text, text.length > MOST_COLOURED ? text
      : [...tokens(text)].map(([kind, token]) =>
        (kind ? h('span', { class: `tok-${kind}` }, token) : token)));
  }
}
