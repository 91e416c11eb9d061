// One row of controls for charts that belong together: logarithmic scale, smoothing, all again.

import { h, setText } from '../dom.js';

const MOST_SMOOTHING = 0.99;
const FIRST = 0.4;

// Near 1 small differences matter most: the slider runs as the square root does.
const weightAt = (place) => MOST_SMOOTHING * (1 - (1 - place) ** 2);

/** `onLog(isOn)`, `onSmoothing(weight)`, `onReset()`; the answer's `smoothing` is the first. */
export function chartTools({ onLog, onSmoothing, onReset }) {
  const log = h('button', {
    type: 'button', class: 'button small-button', 'aria-pressed': 'false',
    on: {
      click: () => {
        const isOn = log.getAttribute('aria-pressed') !== 'true';
        log.setAttribute('aria-pressed', String(isOn));
        onLog(isOn);
      },
    },
  }, 'Log scale');
  const shown = h('output', {}, weightAt(FIRST).toFixed(2));
  const smoothing = h('input', {
    type: 'range', min: '0', max: '1', step: '0.01', value: String(FIRST),
    'aria-label': 'Smoothing',
    on: {
      input: () => {
        const weight = weightAt(Number(smoothing.value));
        setText(shown, weight.toFixed(2));
        onSmoothing(weight);
      },
    },
  });
  const reset = h('button', {
    type: 'button', class: 'button small-button', hidden: true, on: { click: onReset },
  }, 'Show all steps');
  return {
    element: h('div', { class: 'chart-tools' },
      reset, log, h('label', { class: 'field-row' }, 'Smoothing', smoothing, shown)),
    smoothing: weightAt(FIRST),
    showReset(isZoomed) {
      reset.hidden = !isZoomed;
    },
  };
}
