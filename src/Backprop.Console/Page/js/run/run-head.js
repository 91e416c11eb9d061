// What a run is at, and the levers to change that.

import { path, post } from '../api.js';
import { announce } from '../banners.js';
import { confirm } from '../dialog.js';
import { h, replace, setText } from '../dom.js';
import {
  count, duration, number, percent, sentence, shortCount, spanSeconds, time, value,
} from '../format.js';
import { mayChange } from '../session.js';
import { isActive, isFinal, progressBar, progressOf, standingChip } from '../runs/standing.js';

const DEFAULT_BATCH = 32;

export class RunHead {
  constructor(id) {
    this.id = id;
    this.chip = standingChip();
    this.bar = progressBar('Progress');
    this.reason = h('p', { class: 'run-reason-line' });
    this.share = h('span', { class: 'run-share' });
    this.facts = h('dl', { class: 'facts' });
    this.notes = h('div', { class: 'run-notes' });
    this.actions = h('div', { class: 'end' });
    this.element = h('div', { class: 'panel run-head' },
      h('div', { class: 'head' }, h('h1', {}, id), this.chip.element, this.actions),
      this.reason,
      h('div', { class: 'run-progress-line' }, this.bar.element, this.share),
      this.facts, this.notes);
  }

  show(run) {
    const { summary } = run;
    if (this.run && this.run.summary.standing !== summary.standing) {
      announce(`${this.id} is ${summary.standing}: ${sentence(summary.reason)}`);
    }

    this.run = run;
    this.shownAt = performance.now();
    this.chip.show(summary.standing);
    this.bar.show(summary);
    setText(this.reason, sentence(summary.reason));
    const done = progressOf(summary);
    setText(this.share, done === null ? 'steps not known yet' : percent(done));
    document.title = isActive(summary.standing) && done !== null
      ? `${percent(done, 0)} ${this.id} · Backprop`
      : `${this.id}, ${summary.standing} · Backprop`;
    replace(this.notes, run.notes.map((note) => h('p', { class: 'note' }, sentence(note))));
    this.showActions(summary.standing);
    this.tick();
  }

  /** The run's text says how many samples a step has, which makes a speed of it. */
  takeSpecification(text) {
    this.batch = batchOf(text);
    if (this.run) {
      this.tick();
    }
  }

  /** Once a second: time passes without an event. */
  tick() {
    const { run } = this;
    const { summary, progress, result } = run;
    const isRunning = isActive(summary.standing);
    const passed = isRunning ? (performance.now() - this.shownAt) / 1000 : 0;
    const elapsed = spanSeconds(run.elapsed) + passed;
    const stepSeconds = number(progress?.stepSeconds);
    const remaining = summary.totalSteps - summary.version;
    const left = isRunning && stepSeconds > 0 && remaining > 0
      ? Math.max(0, remaining * stepSeconds - passed)
      : NaN;
    const epoch = run.stepsPerEpoch > 0
      ? Math.min(run.epochs, Math.floor(summary.version / run.stepsPerEpoch) + 1) : NaN;
    const perSecond = result ? number(result.samplesPerSecond)
      : isRunning && this.batch ? this.batch / stepSeconds : NaN;
    const facts = [
      ['Step', count(summary.version),
        summary.totalSteps > 0 ? `of ${shortCount(summary.totalSteps)}` : ''],
      ['Epoch', count(epoch), `of ${count(run.epochs)}`],
      ['Elapsed', duration(elapsed)],
      ...isFinal(summary.standing) ? [] : [['Left, at most', duration(left)]],
      ['Samples/s', count(perSecond)],
      ...isRunning && stepSeconds > 0 ? [['Steps/s', value(1 / stepSeconds, 3)]] : [],
      ...progress ? [
        ['Loss', value(progress.loss)],
        ['Gradient norm', value(progress.gradientNorm)],
      ] : [],
      ['Metric', value(summary.metric)],
      ['Parameters', run.parameters > 0 ? count(run.parameters) : '–'],
      ...run.generation > 0 ? [['Generation', count(run.generation)]] : [],
      ['Submitted', time(summary.submitted)],
    ];
    this.showFacts(facts);
  }

  showFacts(facts) {
    const names = facts.map(([name]) => name).join('|');
    if (names !== this.names) {
      this.names = names;
      this.cells = facts.map(() => [h('span', {}), h('small', {})]);
      replace(this.facts, facts.map(([name], index) => h('div', {},
        h('dt', {}, name), h('dd', {}, this.cells[index][0], ' ', this.cells[index][1]))));
    }

    facts.forEach(([, main, more], index) => {
      setText(this.cells[index][0], main);
      setText(this.cells[index][1], more ?? '');
    });
  }

  showActions(standing) {
    if (standing === this.actionsOf) {
      return;
    }

    this.actionsOf = standing;
    const button = (text, act, kind = '') => h('button', {
      type: 'button', class: `button ${kind}`, on: { click: (event) => this.act(event, act) },
    }, text);
    const encoded = encodeURIComponent(this.id);
    replace(this.actions,
      !mayChange() || isFinal(standing) ? null
        : standing === 'paused'
          ? button('Resume', () => this.control('resume'), 'button-primary')
        : button('Pause', () => this.control('pause')),
      !mayChange() || isFinal(standing) ? null
        : button('Stop…', () => this.stop(), 'button-danger'),
      isFinal(standing) ? null
        : h('a', { class: 'button', href: `#/cluster?run=${encoded}` }, 'Watch the steps'),
      h('a', { class: 'button', href: `#/compare/${encoded}` }, 'Compare…'),
      mayChange()
        ? h('a', { class: 'button', href: `#/submit?from=${encoded}` }, 'Submit again…') : null);
  }

  async act(event, act) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await act();
    } finally {
      button.disabled = false;
    }
  }

  control(what) {
    return post(path('runs', this.id, what), {});
  }

  async stop() {
    const isSure = await confirm({
      title: `Stop ${this.id}?`,
      text: 'It ends for good. Its checkpoints stay; a paused run, by contrast, can go on.',
      yes: 'Stop the run',
    });
    if (isSure) {
      await this.control('stop');
    }
  }
}

/** Samples of a step, as the text says it; null: it says it in a way that only a reader of HOCON
 * would understand. */
function batchOf(text) {
  const bare = text.replace(/(?:#|\/\/)[^\n]*/g, '');
  const said = [...bare.matchAll(/"?batch-size"?\s*[=:]\s*(\d+)?/g)];
  return said.length === 0 ? DEFAULT_BATCH : Number(said.at(-1)[1] ?? 0) || null;
}
