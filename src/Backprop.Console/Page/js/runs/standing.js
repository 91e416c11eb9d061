// What a run is at, in a word and a colour.

import { h, setText } from '../dom.js';

const TONES = {
  queued: 'idle',
  opening: 'busy',
  training: 'busy',
  evaluating: 'busy',
  checkpointing: 'busy',
  concluding: 'busy',
  paused: 'warn',
  completed: 'good',
  failed: 'bad',
  stopped: 'idle',
};
const FINAL = new Set(['completed', 'failed', 'stopped']);

/** Whether nothing will happen to it any more. */
export function isFinal(standing) {
  return FINAL.has(standing);
}

/** Whether it trains, or is about to. */
export function isActive(standing) {
  return TONES[standing] === 'busy';
}

export function toneOf(standing) {
  return TONES[standing] ?? 'idle';
}

/** A chip; `show(standing)` changes it. */
export function standingChip() {
  const element = h('span', { class: 'chip' });
  return {
    element,
    show(standing) {
      setText(element, standing);
      element.dataset.tone = toneOf(standing);
    },
  };
}

/** How far a run is, from 0 to 1; null: not known yet. */
export function progressOf({ version, totalSteps, standing }) {
  return totalSteps > 0 ? Math.min(1, version / totalSteps) : standing === 'completed' ? 1 : null;
}

/** A bar; `show(summary)` changes it. */
export function progressBar(label) {
  const fill = h('i', {});
  const element = h('div', { class: 'bar', role: 'progressbar', 'aria-label': label,
    'aria-valuemin': '0', 'aria-valuemax': '100' }, fill);
  return {
    element,
    show(summary) {
      const share = progressOf(summary) ?? 0;
      element.dataset.tone = toneOf(summary.standing);
      element.setAttribute('aria-valuenow', String(Math.round(share * 100)));
      fill.style.setProperty('--share', `${(share * 100).toFixed(2)}%`);
    },
  };
}
