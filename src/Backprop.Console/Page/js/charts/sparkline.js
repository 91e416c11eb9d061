// A line without axes, for a row of a table.

import { svg } from '../dom.js';
import { value } from '../format.js';

const WIDTH = 96;
const HEIGHT = 26;
const MARGIN = 3;

/** Draws values, of which null is a gap; nothing to see of fewer than two. */
export function sparkline(values, what) {
  const points = values.map((one, index) => [index, one])
    .filter(([, one]) => one !== null && Number.isFinite(one));
  if (points.length < 2) {
    return svg('svg', { class: 'sparkline', 'aria-hidden': 'true' });
  }

  const least = Math.min(...points.map(([, one]) => one));
  const most = Math.max(...points.map(([, one]) => one));
  const x = (index) => (index / (values.length - 1)) * (WIDTH - 2 * MARGIN) + MARGIN;
  const y = (one) => HEIGHT - MARGIN
    - (most > least ? (one - least) / (most - least) : 0.5) * (HEIGHT - 2 * MARGIN);
  const line = points.map(([index, one]) => `${x(index).toFixed(1)} ${y(one).toFixed(1)}`);
  const [lastIndex, last] = points.at(-1);
  return svg('svg', {
    class: 'sparkline', role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    'aria-label': `${what} from ${value(points[0][1], 3)} to ${value(last, 3)}`,
  },
  svg('path', { d: `M${line.join('L')}` }),
  svg('circle', { cx: x(lastIndex).toFixed(1), cy: y(last).toFixed(1), r: 2 }));
}
