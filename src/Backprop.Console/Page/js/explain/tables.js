// Every number of a step as tables: what the drawing shows, for those who do not see it, and what
// it has no room for.

import { h, setText } from '../dom.js';
import { full } from './numbers.js';
import { weightsOf } from './weights.js';

const LATER = '–';

/** The tables of one network. */
export class Tables {
  #cells = [];

  /** @param choose called with the weight whose button is pressed */
  constructor(network, choose) {
    const neurons = network.layers.flatMap((layer, l) =>
      layer.neuronNames.map((name, j) => this.#neuronRow(name, l, j)));
    const weights = weightsOf(network).map((weight) => this.#weightRow(weight, choose));
    const biases = network.layers.flatMap((layer, l) =>
      layer.neuronNames.map((name, j) => this.#biasRow(name, l, j)));
    this.element = h(
      'details', { class: 'panel explain-tables' },
      h('summary', null, 'Every number of the step'),
      table('Neurons', ['neuron', 'net', 'out', '∂E/∂out', '∂out/∂net', 'δ = ∂E/∂net'], neurons),
      table(
        'Weights and biases', ['weight', 'before', '∂E/∂w', 'after'], [...weights, ...biases]));
  }

  /** Shows what a walk has reached. */
  show(walk) {
    for (const { element, read, kind, layer } of this.#cells) {
      setText(element, walk.reached(kind, layer) ? read(walk.explained) : LATER);
    }
  }

  #neuronRow(name, layer, j) {
    const value = (key) => (step) => full(step.layers[layer][key][j]);
    return h(
      'tr', null, h('th', { scope: 'row' }, name),
      this.#cell('net', layer, value('net')),
      this.#cell('out', layer, value('out')),
      this.#cell('delta', layer, value('outGradient')),
      this.#cell('delta', layer, value('slope')),
      this.#cell('delta', layer, value('netGradient')));
  }

  #weightRow(weight, choose) {
    const { layer, input, neuron, name, from, to } = weight;
    const value = (key) => (step) => full(step.layers[layer].weight[key][input][neuron]);
    const button = h(
      'button', { type: 'button', class: 'link-button', on: { click: () => choose(weight) } },
      `${name}: ${from} to ${to}`);
    return h(
      'tr', null, h('th', { scope: 'row' }, button),
      this.#cell('input', undefined, value('before')),
      this.#cell('gradient', layer, value('gradient')),
      this.#cell('update', undefined, value('after')));
  }

  #biasRow(name, layer, j) {
    const value = (key) => (step) => full(step.layers[layer].bias[key][j]);
    const gradient = (step) => step.layers[layer].bias.isTrained
      ? value('gradient')(step)
      : 'fixed';
    return h(
      'tr', null, h('th', { scope: 'row' }, `bias of ${name}`),
      this.#cell('input', undefined, value('before')),
      this.#cell('gradient', layer, gradient),
      this.#cell('update', undefined, value('after')));
  }

  #cell(kind, layer, read) {
    const element = h('td', { class: 'num' });
    this.#cells.push({ element, read, kind, layer });
    return element;
  }
}

function table(caption, head, rows) {
  return h(
    'div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': caption },
    h(
      'table', { class: 'table' }, h('caption', null, caption),
      h('thead', null, h(
        'tr', null, ...head.map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', null, ...rows)));
}
