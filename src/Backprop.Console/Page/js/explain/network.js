// One training step on one sample: values forward, gradients back, new weights. Nothing here knows
// of a page; `backprop explain` prints the same numbers of the same network.

/** What neurons may do with their net input, and the slope of that, from its result. */
export const activations = {
  sigmoid: {
    of: (net) => 1 / (1 + Math.exp(-net)),
    slope: (out) => out * (1 - out),
  },
  tanh: {
    of: (net) => Math.tanh(net),
    slope: (out) => 1 - out * out,
  },
};

/**
 * The networks to choose from. A layer's `weight` is [inputs][neurons] and its `bias` [neurons];
 * the error is the sum of the outputs' halved squares. Step t trains on sample t, and after the
 * last on the first again. `specification` is the run that `backprop explain` knows it as.
 */
export const networks = [
  {
    name: 'two-two-two',
    title: 'The articles’ network (2-2-2)',
    about: 'Two inputs, two hidden and two output neurons, one sample: the numbers that the'
      + ' articles work out by hand. Biases are fixed.',
    specification: 'hocon/runs/articles/two-two-two.conf',
    learningRate: 0.5,
    inputNames: ['x1', 'x2'],
    samples: [{ inputs: [0.05, 0.10], targets: [0.01, 0.99] }],
    layers: [
      {
        name: 'hidden',
        activation: 'sigmoid',
        neuronNames: ['h1', 'h2'],
        weight: [[0.15, 0.25], [0.20, 0.30]],
        bias: [0.35, 0.35],
        trainsBias: false,
      },
      {
        name: 'output',
        activation: 'sigmoid',
        neuronNames: ['y1', 'y2'],
        weight: [[0.40, 0.50], [0.45, 0.55]],
        bias: [0.60, 0.60],
        trainsBias: false,
      },
    ],
  },
  {
    name: 'xor',
    title: 'Exclusive or (2-2-1)',
    about: 'The smallest problem that no single layer can solve: one of two inputs, but not both.'
      + ' Its four samples take turns, a step each; biases are trained as well.',
    learningRate: 0.5,
    inputNames: ['x1', 'x2'],
    samples: [
      { inputs: [0, 0], targets: [0] },
      { inputs: [0, 1], targets: [1] },
      { inputs: [1, 0], targets: [1] },
      { inputs: [1, 1], targets: [0] },
    ],
    layers: [
      {
        name: 'hidden',
        activation: 'tanh',
        neuronNames: ['h1', 'h2'],
        weight: [[0.8, 0.6], [0.7, 0.9]],
        bias: [-0.3, -0.9],
        trainsBias: true,
      },
      {
        name: 'output',
        activation: 'sigmoid',
        neuronNames: ['y1'],
        weight: [[0.6], [-0.5]],
        bias: [0.1],
        trainsBias: true,
      },
    ],
  },
];

/**
 * Computes one step in full: all that is shown of it.
 * @param layers the layers with their weights of now
 * @param sample `{ inputs: [inputs], targets: [outputs] }`
 * @param learningRate the step's
 */
export function explainStep(layers, sample, learningRate) {
  const forward = forwardPass(layers, sample.inputs);
  const outputs = forward[forward.length - 1].out;
  const outputErrors = outputs.map((out, k) => halfSquare(sample.targets[k], out));
  const explained = [];
  for (let l = layers.length - 1; l >= 0; l--) {
    const { net, out } = forward[l];
    const inputs = l === 0 ? sample.inputs : forward[l - 1].out;
    const outGradient = l === layers.length - 1
      ? out.map((value, k) => value - sample.targets[k])
      : out.map((_, j) => sum(explained[0].netGradient.map(
        (gradient, k) => gradient * layers[l + 1].weight[j][k])));
    const slope = out.map(activations[layers[l].activation].slope);
    const netGradient = outGradient.map((gradient, j) => gradient * slope[j]);
    explained.unshift({
      name: layers[l].name,
      activation: layers[l].activation,
      neuronNames: layers[l].neuronNames,
      net, out, outGradient, slope, netGradient,
      weight: newWeights(layers[l].weight, inputs, netGradient, learningRate),
      bias: newBiases(layers[l], netGradient, learningRate),
    });
  }

  return {
    inputs: sample.inputs,
    targets: sample.targets,
    learningRate,
    outputErrors,
    totalError: sum(outputErrors),
    layers: explained,
  };
}

/** The layers after a step. */
export function layersAfter(layers, step) {
  return layers.map((layer, l) => ({
    ...layer,
    weight: step.layers[l].weight.after,
    bias: step.layers[l].bias.after,
  }));
}

/** The mean error of all samples. */
export function meanError(layers, samples) {
  return sum(samples.map(({ inputs, targets }) => {
    const forward = forwardPass(layers, inputs);
    return sum(forward[forward.length - 1].out.map((out, k) => halfSquare(targets[k], out)));
  })) / samples.length;
}

/** What goes into a layer. */
export function inputsOf(step, layer) {
  return layer === 0 ? step.inputs : step.layers[layer - 1].out;
}

function forwardPass(layers, inputs) {
  const passed = [];
  let from = inputs;
  for (const layer of layers) {
    const net = layer.bias.map((bias, j) =>
      sum(from.map((value, i) => value * layer.weight[i][j])) + bias);
    const out = net.map(activations[layer.activation].of);
    passed.push({ net, out });
    from = out;
  }

  return passed;
}

function newWeights(weight, inputs, netGradient, learningRate) {
  const gradient = inputs.map((value) => netGradient.map((delta) => delta * value));
  return {
    before: weight,
    gradient,
    after: weight.map((row, i) => row.map((w, j) => w - learningRate * gradient[i][j])),
  };
}

function newBiases(layer, netGradient, learningRate) {
  return {
    isTrained: layer.trainsBias,
    before: layer.bias,
    gradient: netGradient,
    after: layer.trainsBias
      ? layer.bias.map((b, j) => b - learningRate * netGradient[j])
      : layer.bias,
  };
}

function halfSquare(target, out) {
  return (target - out) ** 2 / 2;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
