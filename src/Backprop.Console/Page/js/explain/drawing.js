// The network as a picture: values as they flow forward, gradients as they flow back, and weights
// that can be chosen.

import { setAttribute, setText, svg } from '../dom.js';
import { layOut } from './layout.js';
import { short } from './numbers.js';
import { weightsOf } from './weights.js';

const UNKNOWN = '·';
const THINNEST = 1.2;
const THICKNESS = 3;

/** The drawing of one network. */
export class Drawing {
  #layout;
  #weights;
  #edges = [];
  #neurons = [];

  /**
   * @param network one of `networks`
   * @param isNarrow from top to bottom
   * @param choose called with the weight that is clicked, or chosen by the keyboard
   */
  constructor(network, isNarrow, choose) {
    const columns = [
      network.inputNames.length, ...network.layers.map((layer) => layer.neuronNames.length),
    ];
    this.#layout = layOut(columns, isNarrow);
    this.#weights = weightsOf(network);
    const { width, height } = this.#layout;
    this.#edges = this.#weights.map((weight) => this.#edge(weight, choose));
    this.#neurons = [network.inputNames, ...network.layers.map((layer) => layer.neuronNames)]
      .map((names, column) => names.map((name, j) => this.#neuron(name, column, j)));
    this.element = svg(
      'svg',
      {
        class: `explain-drawing${isNarrow ? ' explain-narrow' : ''}`,
        viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'The network',
      },
      svg('g', { 'aria-hidden': 'true' }, this.#edges.map((edge) => edge.lines)),
      svg('g', { 'aria-hidden': 'true' }, this.#neurons.flat().map((n) => n.element)),
      this.#edges.map((edge) => edge.label));
  }

  /** Shows a walk's state.
   * @param chosen the name of the chosen weight */
  show(walk, chosen) {
    this.#edges.forEach((edge) => showEdge(edge, walk, chosen));
    this.#neurons.forEach((column, c) => column.forEach((neuron, j) => {
      if (c === 0) {
        setText(neuron.value, short(walk.explained.inputs[j]));
        neuron.element.classList.toggle('explain-now', walk.isAt('input'));
      } else {
        showNeuron(neuron, walk, c - 1, j);
      }
    }));
  }

  #edge(weight, choose) {
    const { neurons, labels, label } = this.#layout;
    const from = neurons[weight.layer][weight.input];
    const to = neurons[weight.layer + 1][weight.neuron];
    const centre = labels[weight.layer][weight.input][weight.neuron];
    const ends = { x1: from.x, y1: from.y, x2: to.x, y2: to.y };
    const line = svg('line', { class: 'explain-line', ...ends });
    const value = svg('text', { x: centre.x });
    const gradient = svg('text', { class: 'explain-back', x: centre.x, y: centre.y + 12 });
    const keydown = (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        choose(weight);
      }
    };
    const click = () => choose(weight);
    return {
      weight,
      centre,
      line,
      value,
      gradient,
      lines: svg(
        'g', { class: 'explain-edge', on: { click } },
        svg('line', { class: 'explain-reach', ...ends }), line),
      label: svg(
        'g',
        {
          class: 'explain-label', role: 'button', tabindex: '0',
          dataset: { weight: weight.name }, on: { click, keydown },
        },
        svg('rect', {
          x: centre.x - label.width / 2, y: centre.y - label.height / 2, rx: 5, ...label,
        }),
        value, gradient),
    };
  }

  #neuron(name, column, j) {
    const { neurons, radius, isNarrow } = this.#layout;
    const { x, y } = neurons[column][j];
    const value = svg('text', { class: 'explain-value', x, y: column === 0 ? y + 5 : y });
    const net = svg('text', { class: 'explain-net', x, y: y + 15 });
    const beside = besidesOf(isNarrow, neurons[column], j, radius);
    const lines = ['delta', 'bias', 'target'].map((kind, i) => svg('text', {
      class: `explain-${kind} explain-${beside.anchor}`, x: beside.x, y: beside.y + 16 * i,
    }));
    const nameAt = isNarrow
      ? { x: beside.x, y: beside.y - 16, class: `explain-name explain-${beside.anchor}` }
      : { x, y: y - radius - 9, class: 'explain-name' };
    return {
      value, net, delta: lines[0], bias: lines[1], target: lines[2],
      element: svg(
        'g', { class: 'explain-neuron' }, svg('circle', { cx: x, cy: y, r: radius }),
        svg('text', nameAt, name), value, column === 0 ? null : [net, lines]),
    };
  }
}

// Below the neuron; where the lines run downwards, on its outer side.
function besidesOf(isNarrow, column, j, radius) {
  const { x, y } = column[j];
  if (!isNarrow) {
    return { x, y: y + radius + 17, anchor: 'middle' };
  }

  const isLeft = j < column.length / 2 && column.length > 1;
  return isLeft
    ? { x: x - radius - 6, y: y - 4, anchor: 'end' }
    : { x: x + radius + 6, y: y - 4, anchor: 'start' };
}

function showEdge(edge, walk, chosen) {
  const { layer, input, neuron, name, from, to } = edge.weight;
  const tensor = walk.explained.layers[layer].weight;
  const isNew = walk.isAt('update');
  const value = (isNew ? tensor.after : tensor.before)[input][neuron];
  const isKnown = walk.reached('gradient', layer);
  const gradient = tensor.gradient[input][neuron];
  setText(edge.value, `${name} ${short(value)}`);
  setText(edge.gradient, isKnown ? `∂ ${short(gradient)}` : '');
  setAttribute(edge.value, 'y', edge.centre.y + (isKnown ? -3 : 5));
  setAttribute(
    edge.label, 'aria-label',
    `${edge.value.textContent} ${edge.gradient.textContent}, from ${from} to ${to}`);
  setAttribute(edge.label, 'aria-pressed', name === chosen ? 'true' : 'false');
  setAttribute(
    edge.line, 'stroke-width', (THINNEST + THICKNESS * Math.min(1, Math.abs(value))).toFixed(2));
  edge.line.classList.toggle('explain-negative', value < 0);
  edge.lines.classList.toggle('explain-chosen', name === chosen);
  edge.lines.classList.toggle('explain-forward', walk.isAt('net', layer));
  edge.lines.classList.toggle(
    'explain-backward', walk.isAt('delta', layer - 1) || walk.isAt('gradient', layer));
  edge.label.classList.toggle(
    'explain-now', isNew || walk.isAt('gradient', layer) || walk.isAt('net', layer));
}

function showNeuron(neuron, walk, layer, j) {
  const values = walk.explained.layers[layer];
  const { bias } = values;
  const isLast = layer === walk.explained.layers.length - 1;
  const isNew = walk.isAt('update');
  setText(neuron.net, walk.reached('net', layer) ? `net ${short(values.net[j])}` : '');
  setText(neuron.value, walk.reached('out', layer) ? short(values.out[j]) : UNKNOWN);
  setText(
    neuron.delta, walk.reached('delta', layer) ? `δ ${short(values.netGradient[j])}` : '');
  setText(neuron.bias, `b ${short((isNew ? bias.after : bias.before)[j])}`);
  setText(neuron.target, isLast ? `target ${short(walk.explained.targets[j])}` : '');
  const isNow = walk.isAt('net', layer) || walk.isAt('out', layer) || walk.isAt('delta', layer)
    || (isLast && walk.isAt('error'));
  neuron.element.classList.toggle('explain-now', isNow);
  neuron.element.classList.toggle('explain-returning', walk.isAt('delta', layer));
}
