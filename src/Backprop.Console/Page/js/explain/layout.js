// Where the neurons of a drawn network lie, and the labels of its weights, so that none covers
// another: from left to right, or from top to bottom where the page is narrow.

const PLACES = Array.from({ length: 31 }, (_, i) => 0.2 + i * 0.02)
  .sort((a, b) => Math.abs(a - 0.32) - Math.abs(b - 0.32));

const WIDE = {
  radius: 38, label: { width: 92, height: 36 }, layerGap: 262, neuronGap: 168,
  left: 66, right: 66, top: 66, bottom: 92,
};
const NARROW = {
  radius: 34, label: { width: 68, height: 32 }, layerGap: 196, neuronGap: 150,
  left: 105, right: 105, top: 46, bottom: 56,
};
const MOST_TRIES = 8;
const LONGER = 1.15;

/**
 * Lays a network out.
 * @param columns the neurons of each layer, the input first
 * @param isNarrow from top to bottom
 * @returns `{ isNarrow, radius, label, width, height, neurons: [layer][neuron] {x, y},
 *   labels: [layer of weights][input][neuron] {x, y} }`, all of them centres
 */
export function layOut(columns, isNarrow) {
  const sizes = isNarrow ? NARROW : WIDE;
  let { layerGap } = sizes;
  for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
    const neurons = placeNeurons(columns, sizes, layerGap, isNarrow);
    const labels = placeLabels(neurons, sizes);
    if (labels !== null) {
      const along = sizes.left + sizes.right;
      const across = sizes.top + sizes.bottom;
      const layers = layerGap * (columns.length - 1);
      const rows = sizes.neuronGap * (Math.max(...columns) - 1);
      return {
        isNarrow,
        radius: sizes.radius,
        label: sizes.label,
        width: along + (isNarrow ? rows : layers),
        height: across + (isNarrow ? layers : rows),
        neurons,
        labels,
      };
    }

    layerGap *= LONGER;
  }

  throw new Error(`no layout for layers of ${columns.join(', ')} neurons`);
}

function placeNeurons(columns, sizes, layerGap, isNarrow) {
  const most = Math.max(...columns);
  return columns.map((count, layer) => Array.from({ length: count }, (_, j) => {
    const along = layer * layerGap;
    const across = ((most - count) / 2 + j) * sizes.neuronGap;
    return isNarrow
      ? { x: sizes.left + across, y: sizes.top + along }
      : { x: sizes.left + along, y: sizes.top + across };
  }));
}

function placeLabels(neurons, sizes) {
  const all = [];
  for (let layer = 0; layer < neurons.length - 1; layer++) {
    const taken = [...neurons[layer], ...neurons[layer + 1]].map(({ x, y }) =>
      ({ x, y, width: 2 * sizes.radius + 6, height: 2 * sizes.radius + 6 }));
    const labels = [];
    for (const from of neurons[layer]) {
      const row = [];
      for (const to of neurons[layer + 1]) {
        const place = placeLabel(from, to, sizes.label, taken);
        if (place === null) {
          return null;
        }

        taken.push({ ...place, ...sizes.label });
        row.push(place);
      }

      labels.push(row);
    }

    all.push(labels);
  }

  return all;
}

function placeLabel(from, to, size, taken) {
  for (const place of PLACES) {
    const centre = {
      x: from.x + (to.x - from.x) * place,
      y: from.y + (to.y - from.y) * place,
    };
    if (!taken.some((box) => overlap({ ...centre, ...size }, box))) {
      return centre;
    }
  }

  return null;
}

function overlap(a, b) {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2
    && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
}
