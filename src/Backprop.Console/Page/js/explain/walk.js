// Where a reader is: in which step, and in which of its phases.

import { explainStep, layersAfter, meanError } from './network.js';
import { Losses } from './losses.js';

/** The phases of a step, in their order; `layer` counts from the first layer of neurons. */
export function phasesOf(layers) {
  const forward = layers.flatMap((_, layer) => [{ kind: 'net', layer }, { kind: 'out', layer }]);
  const backward = layers.flatMap((_, layer) => [
    { kind: 'gradient', layer }, { kind: 'delta', layer },
  ]).reverse();
  return [{ kind: 'input' }, ...forward, { kind: 'error' }, ...backward, { kind: 'update' }];
}

/** A walk through the training of one network, phase by phase or step by step. */
export class Walk {
  #layers;
  #explained;

  /** Begins at the first phase of step 0.
   * @param network one of `networks` */
  constructor(network) {
    this.network = network;
    this.phases = phasesOf(network.layers);
    this.learningRate = network.learningRate;
    this.#layers = network.layers;
    this.losses = new Losses();
    this.step = 0;
    this.#compute();
    this.losses.add(0, meanError(this.#layers, network.samples));
    this.phase = 0;
  }

  /** Everything that the step comes to, whatever the phase. */
  get explained() {
    return this.#explained;
  }

  /** The mean error of all samples before the step. */
  get loss() {
    return this.losses.points.at(-1).loss;
  }

  /** Whether a phase of this step has been reached. */
  reached(kind, layer) {
    return this.phases.findIndex((p) => p.kind === kind && p.layer === layer) <= this.phase;
  }

  /** Whether this is the phase. */
  isAt(kind, layer) {
    const phase = this.phases[this.phase];
    return phase.kind === kind && phase.layer === layer;
  }

  /** On to the next phase; after the last, to the first of the next step. */
  nextPhase() {
    if (this.phase < this.phases.length - 1) {
      this.phase++;
    } else {
      this.#nextStep();
      this.phase = 0;
    }
  }

  /** To the end of this step, or from there to the end of the next. */
  finishStep() {
    if (this.phase === this.phases.length - 1) {
      this.#nextStep();
    }

    this.phase = this.phases.length - 1;
  }

  /** To another phase of this step. */
  goTo(phase) {
    this.phase = phase;
  }

  /** Sets the learning rate, from this step's update on. */
  setLearningRate(rate) {
    this.learningRate = rate;
    this.#compute();
  }

  #nextStep() {
    this.#layers = layersAfter(this.#layers, this.#explained);
    this.step++;
    this.#compute();
    this.losses.add(this.step, meanError(this.#layers, this.network.samples));
  }

  #compute() {
    const { samples } = this.network;
    this.#explained = explainStep(
      this.#layers, samples[this.step % samples.length], this.learningRate);
  }
}
