// What a network's weights are called: w1, w2, … by the neuron they lead to, as in the articles,
// and as the command line calls them.

/** All weights of a network, in the articles' order:
 * `{ name, layer, input, neuron, from, to, tensor }`. */
export function weightsOf(network) {
  const weights = [];
  network.layers.forEach((layer, l) => {
    const sources = l === 0 ? network.inputNames : network.layers[l - 1].neuronNames;
    layer.neuronNames.forEach((to, neuron) => sources.forEach((from, input) => weights.push({
      name: `w${weights.length + 1}`,
      layer: l,
      input,
      neuron,
      from,
      to,
      tensor: `${layer.name}.weight[${input},${neuron}]`,
    })));
  });
  return weights;
}

/** The weight between two neurons. */
export function weightBetween(weights, layer, input, neuron) {
  return weights.find((weight) =>
    weight.layer === layer && weight.input === input && weight.neuron === neuron);
}
