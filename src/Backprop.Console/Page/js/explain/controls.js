// The buttons and settings above the drawing.

import { h, setAttribute, setText } from '../dom.js';
import { networks } from './network.js';
import { full } from './numbers.js';
import { speeds } from './player.js';

const MOST_RATE = 100;

/** The controls; `on` has a function for each: `network`, `phase`, `step`, `play`, `reset`,
 * `speed`, `learningRate`. */
export class Controls {
  #play;
  #rate;
  #rateMistake = h('p', { class: 'explain-mistake', id: 'explain-rate-mistake', role: 'alert' });

  constructor(on) {
    const button = (text, click) => h(
      'button', { type: 'button', class: 'button', on: { click } }, text);
    this.#play = button('Play', on.play);
    this.#rate = h('input', {
      type: 'number', min: '0', max: `${MOST_RATE}`, step: 'any', inputmode: 'decimal',
      'aria-describedby': 'explain-rate-mistake',
      on: { input: () => this.#readRate(on.learningRate) },
    });
    this.element = h(
      'div', { class: 'explain-controls' },
      h(
        'div', { class: 'explain-buttons', role: 'group', 'aria-label': 'Training' },
        button('Next phase', on.phase), button('One step', on.step), this.#play,
        button('Reset', on.reset)),
      choice('Network', networks, 0, on.network),
      choice('Speed', speeds, 1, on.speed),
      h('label', { class: 'field' }, 'Learning rate η', this.#rate),
      this.#rateMistake);
  }

  /** Shows whether it plays. */
  showPlaying(isPlaying) {
    setText(this.#play, isPlaying ? 'Pause' : 'Play');
  }

  /** Shows the learning rate of a network that has just been chosen. */
  showLearningRate(rate) {
    this.#rate.value = full(rate);
    this.#showMistake('');
  }

  #readRate(changed) {
    const rate = this.#rate.valueAsNumber;
    if (!(rate > 0 && rate <= MOST_RATE)) {
      this.#showMistake(`The learning rate is a number above 0, and at most ${MOST_RATE}.`);
      return;
    }

    this.#showMistake('');
    changed(rate);
  }

  #showMistake(text) {
    setText(this.#rateMistake, text);
    setAttribute(this.#rate, 'aria-invalid', text === '' ? 'false' : 'true');
  }
}

function choice(text, items, chosen, changed) {
  const options = items.map(({ name, title }, i) =>
    h('option', { value: name, selected: i === chosen }, title));
  const change = () => changed(items[select.selectedIndex]);
  const select = h('select', { on: { change } }, options);
  return h('label', { class: 'field' }, text, select);
}
