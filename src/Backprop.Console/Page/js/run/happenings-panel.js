// What has happened to a run and why, newest first.

import { h, replace } from '../dom.js';
import { sentence, time } from '../format.js';

const MOST = 500;
// What happens at every epoch; among hundreds of these the loss of a worker is not seen.
const ROUTINE = /^epoch \d+:|^the checkpoint of version \d+ is committed$|^speeds were/;
const LOUD = new RegExp([
  'lost', 'has left', 'is late', 'fails?', 'failed', 'quarantin', 'not finite', 'refused', 'disput',
  'gone', 'unreachable',
].map((word) => `\\b${word}`).join('|'), 'i');

export class HappeningsPanel {
  constructor() {
    this.numbers = new Set();
    this.list = h('ol', { class: 'happenings', reversed: true });
    this.routine = h('button', {
      type: 'button', class: 'button small-button', 'aria-pressed': 'true',
      on: {
        click: () => {
          const isShown = !this.list.classList.toggle('without-routine');
          this.routine.setAttribute('aria-pressed', String(isShown));
        },
      },
    }, 'Every epoch');
    this.empty = h('p', { class: 'muted' }, 'Nothing yet.');
    this.element = h('section', { class: 'panel', 'aria-label': 'What has happened' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'What has happened'),
        h('div', { class: 'end' }, this.routine)),
      this.empty,
      h('div', { class: 'happenings-scroll', tabindex: '0', role: 'region',
        'aria-label': 'What has happened, newest first' }, this.list));
  }

  add({ number, at, text }) {
    if (this.numbers.has(number)) {
      return;
    }

    this.numbers.add(number);
    this.empty.hidden = true;
    const kind = LOUD.test(text) ? 'loud' : ROUTINE.test(text) ? 'routine' : '';
    this.list.prepend(h('li', { class: kind },
      h('time', { datetime: at }, time(at)), h('span', {}, sentence(text))));
    while (this.list.children.length > MOST) {
      this.list.lastElementChild.remove();
    }

    if (this.numbers.size > 2 * MOST) {
      this.numbers = new Set([...this.numbers].slice(-MOST));
    }
  }

  clear() {
    this.numbers.clear();
    replace(this.list);
  }
}
