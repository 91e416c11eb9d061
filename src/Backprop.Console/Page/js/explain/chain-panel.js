// The chosen weight's chain rule as a part of the page.

import { h } from '../dom.js';
import { chainOf } from './chain.js';
import { formula } from './formula.js';
import { full } from './numbers.js';

/** The panel beside the drawing. */
export class ChainPanel {
  #heading = h('h2', null);
  #about = h('p', { class: 'muted' });
  #lines = h('dl', { class: 'explain-chain' });

  constructor() {
    this.element = h(
      'section', { class: 'panel', 'aria-label': 'Chain rule' }, this.#heading,
      this.#about, this.#lines);
  }

  /** Writes out the chain rule of a weight in a walk's step. */
  show(walk, weight) {
    const { name, from, to, tensor } = weight;
    this.#heading.replaceChildren('The chain rule of ', ...formula(name));
    const { specification } = walk.network;
    this.#about.replaceChildren(
      ...formula(name), ` leads from ${from} to ${to}.`,
      ...(specification === undefined
        ? []
        : [
          ' The same in a terminal: ',
          h('code', null, `backprop explain ${specification} --weight ${tensor}`),
        ]));
    const lines = chainOf(walk.network, walk.explained, weight);
    this.#lines.replaceChildren(...lines.flatMap((line) => row(line, walk)));
  }
}

function row(line, walk) {
  const isNow = line.phase !== null && walk.isAt(line.phase.kind, line.phase.layer);
  const parts = [];
  if (line.symbols !== null) {
    parts.push(h('span', { class: 'explain-part' }, '= ', ...formula(line.symbols)));
  }

  if (line.numbers !== null) {
    parts.push(h('span', { class: 'explain-part explain-numbers' }, `= ${line.numbers}`));
  }

  if (line.value !== null) {
    parts.push(h(
      'strong', { class: 'explain-part explain-result' }, `= ${full(line.value)}`));
  }

  const now = isNow ? 'explain-now' : '';
  return [
    h('dt', { class: now, dataset: { of: line.of } }, ...formula(line.of)),
    h('dd', { class: now }, ...parts),
  ];
}
