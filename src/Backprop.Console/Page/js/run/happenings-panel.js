// What has happened to a run and why, newest first.

import { h, replace } from '../dom.js';
import { sentence, time } from '../format.js';

// As the coordinator keeps them. What happens at every epoch is kept apart: among hundreds of these
// the loss of a worker is not seen.
const MOST_ROUTINE = 200;
const MOST_OTHERS = 500;
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

  add({ number, at, text, isRoutine }) {
    if (this.numbers.has(number)) {
      return;
    }

    this.numbers.add(number);
    this.empty.hidden = true;
    const kind = isRoutine ? 'routine' : LOUD.test(text) ? 'loud' : '';
    this.list.prepend(h('li', { class: kind },
      h('time', { datetime: at }, time(at)), h('span', {}, sentence(text))));
    const same = this.list.querySelectorAll(isRoutine ? ':scope > .routine'
      : ':scope > :not(.routine)');
    if (same.length > (isRoutine ? MOST_ROUTINE : MOST_OTHERS)) {
      same[same.length - 1].remove();
    }

    const most = MOST_ROUTINE + MOST_OTHERS;
    if (this.numbers.size > 2 * most) {
      this.numbers = new Set([...this.numbers].slice(-most));
    }
  }

  clear() {
    this.numbers.clear();
    replace(this.list);
  }
}
