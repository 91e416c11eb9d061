// The chain rule of one weight, written out: with symbols, and with the numbers of now.

import { inputsOf } from './network.js';
import { factor, full } from './numbers.js';
import { weightBetween, weightsOf } from './weights.js';

/**
 * The lines of a weight's chain rule, in the order in which they are worked out:
 * `{ of, symbols, numbers, value, phase }`. `∂A/∂B` is a derivative, `out(y1)` the output of y1.
 * What a line does not have is null: the first one only says what is to be multiplied.
 * @param network the network, for its names
 * @param step the explained step
 * @param weight one of `weightsOf(network)`
 */
export function chainOf(network, step, weight) {
  const layer = step.layers[weight.layer];
  const { name, to } = weight;
  const outGradient = layer.outGradient[weight.neuron];
  const slope = layer.slope[weight.neuron];
  const input = inputsOf(step, weight.layer)[weight.input];
  const gradient = layer.weight.gradient[weight.input][weight.neuron];
  const before = layer.weight.before[weight.input][weight.neuron];
  const source = weight.layer === 0 ? weight.from : `out(${weight.from})`;
  return [
    {
      of: `∂E/∂${name}`,
      symbols: `∂E/∂out(${to}) · ∂out(${to})/∂net(${to}) · ∂net(${to})/∂${name}`,
      numbers: null,
      value: null,
      phase: null,
    },
    outGradientLine(network, step, weight, outGradient),
    {
      of: `∂out(${to})/∂net(${to})`,
      ...slopeOf(layer.activation, to, layer.out[weight.neuron]),
      value: slope,
      phase: { kind: 'delta', layer: weight.layer },
    },
    {
      of: `∂net(${to})/∂${name}`,
      symbols: source,
      numbers: null,
      value: input,
      phase: { kind: 'gradient', layer: weight.layer },
    },
    {
      of: `∂E/∂${name}`,
      symbols: null,
      numbers: `${factor(outGradient)} · ${factor(slope)} · ${factor(input)}`,
      value: gradient,
      phase: { kind: 'gradient', layer: weight.layer },
    },
    {
      of: `new ${name}`,
      symbols: `${name} − η · ∂E/∂${name}`,
      numbers: `${full(before)} − ${full(step.learningRate)} · ${factor(gradient)}`,
      value: layer.weight.after[weight.input][weight.neuron],
      phase: { kind: 'update', layer: undefined },
    },
  ];
}

/** A chain rule as plain text, a line each. */
export function chainText(lines) {
  return lines.map((line) => [
    line.of, line.symbols, line.numbers, line.value === null ? null : full(line.value),
  ].filter((part) => part !== null).join(' = '));
}

/** How a slope follows from what a neuron puts out. */
export function slopeOf(activation, neuron, out) {
  return activation === 'tanh'
    ? { symbols: `1 − out(${neuron})²`, numbers: `1 − ${factor(out)}²` }
    : {
      symbols: `out(${neuron}) · (1 − out(${neuron}))`,
      numbers: `${full(out)} · (1 − ${full(out)})`,
    };
}

// From the error itself, or over every path through the layer after it.
function outGradientLine(network, step, weight, value) {
  const { to, layer, neuron } = weight;
  const phase = { kind: 'delta', layer };
  const of = `∂E/∂out(${to})`;
  const next = step.layers[layer + 1];
  if (next === undefined) {
    return {
      of,
      symbols: `out(${to}) − target(${to})`,
      numbers: `${full(step.layers[layer].out[neuron])} − ${factor(step.targets[neuron])}`,
      value,
      phase,
    };
  }

  const names = weightsOf(network);
  const paths = next.neuronNames.map((end, k) => ({
    symbols: `∂E/∂net(${end}) · ${weightBetween(names, layer + 1, neuron, k).name}`,
    numbers: `${factor(next.netGradient[k])} · ${factor(next.weight.before[neuron][k])}`,
  }));
  return {
    of,
    symbols: paths.map((path) => path.symbols).join(' + '),
    numbers: paths.map((path) => path.numbers).join(' + '),
    value,
    phase,
  };
}
