// What each run waits for, and on whom.

import { h, replace, setText } from '../dom.js';
import { percent, sentence } from '../format.js';
import { runAddress } from '../routes.js';
import { isFinal, progressBar, progressOf, standingChip } from '../runs/standing.js';

const MOST = 20;

export class WaitsPanel {
  /** `onWatch(run)`, `onPoint(node address)`. */
  constructor({ onWatch, onPoint }) {
    this.onWatch = onWatch;
    this.onPoint = onPoint;
    this.cards = new Map();
    this.addresses = [];
    this.list = h('ul', { class: 'waits' });
    this.empty = h('p', { class: 'empty' }, 'No run is going. ',
      h('a', { href: '#/submit' }, 'Submit one'), ' to see its steps here.');
    this.element = h('section', { class: 'panel', 'aria-label': 'What runs wait for' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'What each run waits for, and on whom')),
      this.empty, this.list);
  }

  know(addresses) {
    this.addresses = addresses;
  }

  show(summaries, watched) {
    const going = summaries.filter((one) => !isFinal(one.standing)).slice(0, MOST);
    const ids = new Set(going.map((one) => one.id));
    for (const [id, card] of this.cards) {
      if (!ids.has(id)) {
        card.element.remove();
        this.cards.delete(id);
      }
    }

    for (const summary of going) {
      if (!this.cards.has(summary.id)) {
        const card = this.card(summary.id);
        this.cards.set(summary.id, card);
        this.list.append(card.element);
      }

      this.update(this.cards.get(summary.id), summary, watched);
    }

    this.empty.hidden = going.length > 0;
  }

  card(id) {
    const chip = standingChip();
    const bar = progressBar(`Progress of ${id}`);
    const share = h('span', { class: 'muted small' });
    const reason = h('p', { class: 'waits-reason' });
    const watch = h('button', {
      type: 'button', class: 'button small-button', on: { click: () => this.onWatch(id) },
    }, 'Watch its steps');
    const element = h('li', {},
      h('div', { class: 'waits-head' }, h('a', { href: runAddress(id) }, id), chip.element, watch),
      reason, h('div', { class: 'waits-progress' }, bar.element, share));
    return { element, chip, bar, share, reason, watch };
  }

  update(card, summary, watched) {
    card.chip.show(summary.standing);
    card.bar.show(summary);
    const done = progressOf(summary);
    setText(card.share, done === null ? '' : percent(done));
    card.watch.setAttribute('aria-pressed', String(summary.id === watched));
    const text = sentence(summary.reason);
    if (card.text !== text) {
      card.text = text;
      replace(card.reason, this.withNodes(text));
    }
  }

  /** The sentence, in which nodes can be pressed. */
  withNodes(text) {
    const known = this.addresses.filter((address) => text.includes(address))
      .sort((one, other) => other.length - one.length);
    let pieces = [text];
    for (const address of known) {
      pieces = pieces.flatMap((piece) => (typeof piece === 'string'
        ? piece.split(address).flatMap((part, index) => (index === 0 ? [part]
          : [h('button', { type: 'button', class: 'link-button node-link',
            on: { click: () => this.onPoint(address) } }, address), part]))
        : [piece]));
    }

    return pieces;
  }
}
