// What happens in a phase, in a sentence and with its numbers.

import { inputsOf } from './network.js';
import { factor, full } from './numbers.js';
import { weightBetween, weightsOf } from './weights.js';

/** What a phase is called where there is little room. */
export function phaseLabel(network, phase) {
  const names = phase.layer === undefined ? '' : network.layers[phase.layer].neuronNames.join(' ');
  switch (phase.kind) {
    case 'input': return 'input';
    case 'net': return `net ${names}`;
    case 'out': return `out ${names}`;
    case 'error': return 'error';
    case 'delta': return `δ ${names}`;
    case 'gradient': return `∂E/∂w to ${names}`;
    case 'update': return 'update';
    default: throw new Error(`unknown phase ${phase.kind}`);
  }
}

/** `{ title, sentence, lines }` of the phase in which a walk is. */
export function narrate(walk) {
  const phase = walk.phases[walk.phase];
  const { network, explained: step } = walk;
  switch (phase.kind) {
    case 'input': return input(network, step);
    case 'net': return net(network, step, phase.layer);
    case 'out': return out(step, phase.layer);
    case 'error': return error(step);
    case 'delta': return delta(network, step, phase.layer);
    case 'gradient': return gradient(network, step, phase.layer);
    case 'update': return update(network, step);
    default: throw new Error(`unknown phase ${phase.kind}`);
  }
}

function input(network, step) {
  const outputs = step.layers[step.layers.length - 1].neuronNames;
  return {
    title: 'The sample goes in',
    sentence: 'Its values are the inputs; its targets are what the outputs should become.',
    lines: [
      ...step.inputs.map((value, i) => `${network.inputNames[i]} = ${full(value)}`),
      ...step.targets.map((value, k) => `target(${outputs[k]}) = ${full(value)}`),
    ],
  };
}

function net(network, step, l) {
  const layer = step.layers[l];
  const inputs = inputsOf(step, l);
  return {
    title: `Forward: the net input of the ${layer.name} neurons`,
    sentence: 'Every neuron adds up what comes in, each times its weight, and its bias.',
    lines: layer.neuronNames.map((name, j) => {
      const terms = inputs.map((value, i) =>
        `${factor(value)} · ${factor(layer.weight.before[i][j])}`);
      return `net(${name}) = ${terms.join(' + ')} + ${factor(layer.bias.before[j])}`
        + ` = ${full(layer.net[j])}`;
    }),
  };
}

function out(step, l) {
  const layer = step.layers[l];
  return {
    title: `Forward: what the ${layer.name} neurons put out`,
    sentence: layer.activation === 'tanh'
      ? 'tanh bends it to a value between −1 and 1.'
      : 'The sigmoid, 1 / (1 + e^−net), bends it to a value between 0 and 1.',
    lines: layer.neuronNames.map((name, j) =>
      `out(${name}) = ${layer.activation}(${full(layer.net[j])}) = ${full(layer.out[j])}`),
  };
}

function error(step) {
  const outputs = step.layers[step.layers.length - 1];
  const total = step.outputErrors.length > 1
    ? [`E = ${step.outputErrors.map(full).join(' + ')} = ${full(step.totalError)}`]
    : [];
  return {
    title: 'The error',
    sentence: 'How far the outputs are from their targets: half the square of each difference.',
    lines: [
      ...outputs.neuronNames.map((name, k) =>
        `E(${name}) = ½ · (${full(step.targets[k])} − ${factor(outputs.out[k])})²`
        + ` = ${full(step.outputErrors[k])}`),
      ...total,
    ],
  };
}

function delta(network, step, l) {
  const layer = step.layers[l];
  const isLast = l === step.layers.length - 1;
  return {
    title: `Back: δ of the ${layer.name} neurons`,
    sentence: isLast
      ? 'δ = ∂E/∂net: how the error changes with the output, times the slope of the activation.'
      : 'What flows back over every weight to the layer after, summed, times the slope of the'
        + ' activation: δ = ∂E/∂net.',
    lines: layer.neuronNames.map((name, j) =>
      `δ(${name}) = ${factor(layer.outGradient[j])} · ${factor(layer.slope[j])}`
      + ` = ${full(layer.netGradient[j])}`),
  };
}

function gradient(network, step, l) {
  const layer = step.layers[l];
  const inputs = inputsOf(step, l);
  return {
    title: `Back: the gradient of every weight to the ${layer.name} neurons`,
    sentence: 'What went in over the weight, times δ of the neuron that it leads to.',
    lines: weightsOf(network).filter((weight) => weight.layer === l).map((weight) =>
      `∂E/∂${weight.name} = ${factor(layer.netGradient[weight.neuron])}`
      + ` · ${factor(inputs[weight.input])}`
      + ` = ${full(layer.weight.gradient[weight.input][weight.neuron])}`),
  };
}

function update(network, step) {
  const names = weightsOf(network);
  return {
    title: 'The update: every weight takes a step against its gradient',
    sentence: `new w = w − η · ∂E/∂w, with the learning rate η = ${full(step.learningRate)}.`,
    lines: step.layers.flatMap((layer, l) => layer.neuronNames.flatMap((_, j) =>
      layer.weight.before.map((row, i) => {
        const { name } = weightBetween(names, l, i, j);
        return `${name} = ${factor(row[j])} − ${full(step.learningRate)}`
          + ` · ${factor(layer.weight.gradient[i][j])} = ${full(layer.weight.after[i][j])}`;
      }))),
  };
}
