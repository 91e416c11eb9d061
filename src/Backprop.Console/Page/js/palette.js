// Gives each node of a run a colour that it keeps while others come and go.

import { seriesColour } from './theme.js';

export class Palette {
  constructor() {
    this.indices = new Map();
  }

  /** The custom property of a node's colour. */
  of(node) {
    if (!this.indices.has(node)) {
      this.indices.set(node, this.indices.size);
    }

    return seriesColour(this.indices.get(node));
  }
}
