// What was taken for what, as a table whose cells are the darker the more there are.

import { h } from '../dom.js';
import { count, percent } from '../format.js';

// Wider than any screen: then the commonest mistakes say more.
const MOST_CLASSES = 30;
const MOST_PAIRS = 20;

// Longer names are written upright, so that columns stay narrow.
const SHORT = 3;

export function confusionTable({ classes, counts }) {
  return classes.length <= MOST_CLASSES ? matrix(classes, counts) : pairs(classes, counts);
}

function matrix(classes, counts) {
  const n = classes.length;
  const isShort = classes.every((name) => name.length <= SHORT);
  const sums = classes.map((_, row) =>
    counts.slice(row * n, (row + 1) * n).reduce((sum, one) => sum + one, 0));
  const cell = (row, column) => {
    const found = counts[row * n + column];
    const share = sums[row] > 0 ? found / sums[row] : 0;
    const isRight = row === column;
    // A few mistakes have to be seen among many hits: the root lifts them.
    const heat = found === 0 ? 0 : isRight ? 0.12 + 0.5 * share : 0.1 + 0.6 * Math.sqrt(share);
    const words = `${classes[row]} taken for ${classes[column]}: ${count(found)},`
      + ` ${percent(share)} of ${count(sums[row])}`;
    return h('td', {
      class: isRight ? 'right' : found > 0 ? 'wrong' : 'none', title: words,
      style: { '--heat': `${(heat * 100).toFixed(1)}%` },
    }, found === 0 ? '·' : count(found));
  };
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': 'Confusion matrix' },
  h('table', { class: isShort ? 'confusion short' : 'confusion' },
    h('caption', {}, 'Rows: what it is. Columns: what it was taken for.'),
    h('thead', {}, h('tr', {}, h('td', {}),
      classes.map((name) => h('th', { scope: 'col' }, h('span', {}, name))))),
    h('tbody', {}, classes.map((name, row) => h('tr', {},
      h('th', { scope: 'row' }, name), classes.map((_, column) => cell(row, column)))))));
}

function pairs(classes, counts) {
  const n = classes.length;
  const wrong = counts.map((found, index) => [found, Math.floor(index / n), index % n])
    .filter(([found, row, column]) => found > 0 && row !== column)
    .sort(([one], [other]) => other - one).slice(0, MOST_PAIRS);
  return h('table', { class: 'table' },
    h('caption', { class: 'visually-hidden' }, 'The commonest mistakes'),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Is'),
      h('th', { scope: 'col' }, 'Taken for'), h('th', { scope: 'col', class: 'num' }, 'Samples'))),
    h('tbody', {}, wrong.map(([found, row, column]) => h('tr', {},
      h('th', { scope: 'row' }, classes[row]), h('td', {}, classes[column]),
      h('td', { class: 'num' }, count(found))))));
}
