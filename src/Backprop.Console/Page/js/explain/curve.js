// The error by step, as a line.

import { setText, svg } from '../dom.js';
import { short } from './numbers.js';

const WIDTH = 800;
const NARROW_WIDTH = 360;
const HEIGHT = 170;
const LEFT = 74;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 24;
const LEAST = 1e-12;

/** A curve of the losses. */
export class Curve {
  #width;
  #line = svg('polyline', { class: 'explain-curve-line' });
  #newest = svg('circle', { class: 'explain-curve-newest', r: 3.5 });
  #upper = label('end', LEFT - 6, TOP + 4);
  #lower = label('end', LEFT - 6, HEIGHT - BOTTOM + 4);
  #description = svg('title', null);
  #last;

  constructor(isNarrow) {
    this.#width = isNarrow ? NARROW_WIDTH : WIDTH;
    this.#last = label('end', this.#width - RIGHT, HEIGHT - 6);
    const axis = `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${this.#width - RIGHT}`;
    this.element = svg(
      'svg', { class: 'explain-curve', viewBox: `0 0 ${this.#width} ${HEIGHT}`, role: 'img' },
      this.#description, svg('path', { class: 'explain-axis', d: axis }), this.#line,
      this.#newest, this.#upper, this.#lower, label('start', LEFT, HEIGHT - 6, 'step 0'),
      this.#last);
  }

  /** Shows the points, `{ step, loss }`, on a linear or a logarithmic scale. */
  show(points, isLogarithmic) {
    const scale = isLogarithmic ? (loss) => Math.log10(Math.max(loss, LEAST)) : (loss) => loss;
    const heights = points.map((point) => scale(point.loss));
    const top = Math.max(...heights);
    const bottom = isLogarithmic ? Math.min(...heights) : 0;
    const last = points[points.length - 1];
    const places = points.map((point, i) => {
      const x = LEFT + (this.#width - LEFT - RIGHT) * (point.step / Math.max(1, last.step));
      const share = top > bottom ? (heights[i] - bottom) / (top - bottom) : 1;
      return [x, TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)];
    });
    this.#line.setAttribute(
      'points', places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' '));
    const [x, y] = places[places.length - 1];
    this.#newest.setAttribute('cx', x.toFixed(1));
    this.#newest.setAttribute('cy', y.toFixed(1));
    const ofScale = isLogarithmic ? (height) => 10 ** height : (height) => height;
    setText(this.#upper, short(ofScale(top)));
    setText(this.#lower, top > bottom ? short(ofScale(bottom)) : '');
    setText(this.#last, last.step > 0 ? `step ${last.step}` : '');
    setText(
      this.#description,
      `The error by step: ${short(points[0].loss)} at step 0, ${short(last.loss)} at step`
        + ` ${last.step}`);
  }
}

function label(anchor, x, y, text = '') {
  return svg('text', { class: `explain-${anchor}`, x, y }, text);
}
