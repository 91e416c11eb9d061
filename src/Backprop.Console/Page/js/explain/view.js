// The view: everything on the page that shows a walk, and takes part in it.

import { h, setAttribute, setText } from '../dom.js';
import { ChainPanel } from './chain-panel.js';
import { Controls } from './controls.js';
import { Curve } from './curve.js';
import { Drawing } from './drawing.js';
import { narrate, phaseLabel } from './narration.js';
import { networks } from './network.js';
import { full } from './numbers.js';
import { Player } from './player.js';
import { Tables } from './tables.js';
import { Walk } from './walk.js';
import { weightsOf } from './weights.js';

// Below this width the network is drawn from top to bottom.
const NARROW_PX = 620;

/** The view of one visit. */
export class View {
  #walk;
  #weights;
  #chosen;
  #drawing;
  #tables;
  #told = '';
  #isNarrow = false;
  #isLogarithmic = false;
  #player = new Player((by) => this.#move(by));
  #controls = new Controls({
    network: (network) => this.#open(network),
    phase: () => this.#pauseAnd(() => this.#walk.nextPhase()),
    step: () => this.#pauseAnd(() => this.#walk.finishStep()),
    play: () => this.#togglePlaying(),
    reset: () => this.#open(this.#walk.network),
    speed: (speed) => this.#player.setSpeed(speed),
    learningRate: (rate) => {
      this.#walk.setLearningRate(rate);
      this.#show();
    },
  });
  #chain = new ChainPanel();
  #curve;
  #plot = h('div', null);
  #about = h('p', { class: 'muted' });
  #phases = h('ol', { class: 'explain-phases', 'aria-label': 'Phases of the step' });
  #where = h('p', { class: 'explain-where' });
  #title = h('h2', null);
  #sentence = h('p', null);
  #numbers = h('ul', { class: 'explain-lines' });
  #story = h(
    'section', { class: 'panel explain-story', role: 'status', 'aria-live': 'polite' },
    this.#where, this.#title, this.#sentence, this.#numbers);
  #picture = h('div', { class: 'explain-picture' });
  #below = h('div', null);
  #resizes = new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width));

  constructor() {
    this.element = h(
      'div', { class: 'explain' },
      h('h1', null, 'How a network learns'),
      this.#about, this.#controls.element, this.#phases,
      h(
        'div', { class: 'explain-stage' },
        h('div', { class: 'explain-column' }, this.#picture, this.#story, this.#curvePanel()),
        this.#chain.element),
      this.#below);
    this.#open(networks[0]);
    this.#resizes.observe(this.#picture);
  }

  /** Ends all that goes on. */
  close() {
    this.#player.pause();
    this.#resizes.disconnect();
  }

  #open(network) {
    this.#player.pause();
    const isOther = network !== this.#walk?.network;
    this.#walk = new Walk(network);
    if (isOther) {
      this.#weights = weightsOf(network);
      this.#chosen = this.#weights.find((weight) => weight.layer === network.layers.length - 1);
      setText(this.#about, network.about);
      this.#tables = new Tables(network, (weight) => this.#choose(weight));
      this.#below.replaceChildren(this.#tables.element);
      this.#listPhases();
      this.#draw();
    }

    this.#controls.showLearningRate(network.learningRate);
    this.#show();
  }

  #listPhases() {
    const { network, phases } = this.#walk;
    this.#phases.replaceChildren(...phases.map((phase, i) => h(
      'li', null, h(
        'button',
        {
          type: 'button', class: 'small-button button',
          on: { click: () => this.#pauseAnd(() => this.#walk.goTo(i)) },
        },
        phaseLabel(network, phase)))));
  }

  #draw() {
    this.#drawing = new Drawing(
      this.#walk.network, this.#isNarrow, (weight) => this.#choose(weight));
    this.#picture.replaceChildren(this.#drawing.element);
    this.#curve = new Curve(this.#isNarrow);
    this.#plot.replaceChildren(this.#curve.element);
  }

  #resize(width) {
    const isNarrow = width < NARROW_PX;
    if (isNarrow !== this.#isNarrow) {
      this.#isNarrow = isNarrow;
      this.#draw();
      this.#show();
    }
  }

  #choose(weight) {
    this.#chosen = weight;
    this.#show();
  }

  #togglePlaying() {
    if (this.#player.isPlaying) {
      this.#player.pause();
    } else {
      this.#player.play();
    }

    this.#show();
  }

  #pauseAnd(act) {
    this.#player.pause();
    act();
    this.#show();
  }

  #move({ phases = 0, steps = 0 }) {
    for (let i = 0; i < phases; i++) {
      this.#walk.nextPhase();
    }

    for (let i = 0; i < steps; i++) {
      this.#walk.finishStep();
    }

    this.#show();
  }

  #show() {
    const walk = this.#walk;
    this.#controls.showPlaying(this.#player.isPlaying);
    this.#drawing.show(walk, this.#chosen.name);
    this.#chain.show(walk, this.#chosen);
    this.#tables.show(walk);
    this.#curve.show(walk.losses.points, this.#isLogarithmic);
    this.#tell();
    [...this.#phases.children].forEach((item, i) => setAttribute(
      item.firstChild, 'aria-current', i === walk.phase ? 'step' : null));
  }

  // Nobody listens to ten steps a second.
  #tell() {
    const walk = this.#walk;
    const { title, sentence, lines } = narrate(walk);
    setAttribute(this.#story, 'aria-live', this.#player.isFast ? 'off' : 'polite');
    setText(
      this.#where,
      `Step ${walk.step}, phase ${walk.phase + 1} of ${walk.phases.length}; error`
        + ` ${full(walk.loss)}${walk.network.samples.length > 1 ? ' over all samples' : ''}`);
    setText(this.#title, title);
    setText(this.#sentence, sentence);
    if (lines.join('\n') !== this.#told) {
      this.#told = lines.join('\n');
      this.#numbers.replaceChildren(...lines.map((line) => h('li', null, line)));
    }
  }

  #curvePanel() {
    const toggle = (event) => {
      this.#isLogarithmic = event.target.checked;
      this.#show();
    };
    return h(
      'section', { class: 'panel', 'aria-label': 'The error by step' },
      h(
        'div', { class: 'panel-head' }, h('h2', null, 'The error by step'),
        h(
          'label', { class: 'field-row end' },
          h('input', { type: 'checkbox', on: { change: toggle } }), 'logarithmic')),
      this.#plot);
  }
}
