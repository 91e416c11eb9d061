// A run's points by step, as they come; as many as the server gives, which is bounded.

import { number } from '../format.js';

const COLUMNS = [
  'step', 'steps', 'lossMin', 'lossMean', 'lossMax', 'gradientNorm', 'learningRate',
  'stepSeconds',
];

export class CurveStore {
  constructor() {
    this.layers = [];
    this.layerNorms = [];
    for (const column of COLUMNS) {
      this[column] = [];
    }
  }

  /** Of the answer of `curves`. */
  static of(points) {
    const store = new CurveStore();
    store.merge(points);
    return store;
  }

  /** Points replace those there are from the first one's step on. */
  merge(points) {
    if (points.step.length === 0) {
      return;
    }

    if (points.layers.join('\n') !== this.layers.join('\n')) {
      this.layers = points.layers;
      this.layerNorms = points.layers.map(() => this.step.map(() => null));
    }

    const keep = firstAtOrAfter(this.step, points.step[0]);
    for (const column of COLUMNS) {
      append(this[column], points[column], keep);
    }

    this.layerNorms.forEach((norms, layer) => append(norms, points.layerNorms[layer] ?? [], keep));
  }
}

function append(column, more, keep) {
  column.length = keep;
  for (const raw of more) {
    const one = number(raw);
    column.push(Number.isFinite(one) ? one : null);
  }
}

/** The first index whose value is not below; the length: none. */
function firstAtOrAfter(ascending, value) {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }

  return low;
}
