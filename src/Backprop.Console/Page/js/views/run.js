// One run, as it goes.

import { get, path } from '../api.js';
import { h, replace } from '../dom.js';
import { follow } from '../live.js';
import { Palette } from '../palette.js';
import { CheckpointsPanel } from '../run/checkpoints-panel.js';
import { HappeningsPanel } from '../run/happenings-panel.js';
import { PredictPanel } from '../run/predict-panel.js';
import { ResultPanel } from '../run/result-panel.js';
import { RunCharts } from '../run/run-charts.js';
import { RunHead } from '../run/run-head.js';
import { SpecificationPanel } from '../run/specification-panel.js';
import { WorkersPanel } from '../run/workers-panel.js';

const TICK_MS = 1_000;

export function mount(main, route) {
  const view = new RunView(main, route.argument);
  view.start();
  return () => view.end();
}

class RunView {
  constructor(main, id) {
    this.main = main;
    this.id = id;
    this.abort = new AbortController();
  }

  async start() {
    replace(this.main, h('h1', {}, this.id), h('p', { class: 'loading' }, 'Loading…'));
    try {
      const run = await get(path('runs', this.id), { signal: this.abort.signal });
      this.build();
      this.show(run);
    } catch (failure) {
      if (failure.name !== 'AbortError') {
        replace(this.main, h('h1', {}, this.id), h('p', { class: 'empty' }, failure.message, '. ',
          h('a', { href: '#/runs' }, 'All runs')));
      }

      return;
    }

    this.unfollow = follow(path('runs', this.id, 'events'), {
      run: (run) => this.show(run),
      epoch: (report) => this.charts.addEpoch(report),
      happening: (happening) => this.happenings.add(happening),
      points: (points) => this.charts.addPoints(points),
    });
    this.clock = setInterval(() => this.head.tick(), TICK_MS);
    const text = await get(
      path('runs', this.id, 'specification'), { signal: this.abort.signal, text: true });
    this.head.takeSpecification(text);
    this.specification.show(text);
  }

  end() {
    this.unfollow?.();
    this.abort.abort();
    clearInterval(this.clock);
    this.charts?.end();
    this.predict?.end();
  }

  build() {
    this.head = new RunHead(this.id);
    this.charts = new RunCharts(this.id);
    this.result = new ResultPanel(this.id);
    this.predict = new PredictPanel(this.id);
    this.happenings = new HappeningsPanel();
    this.workers = new WorkersPanel(new Palette());
    this.checkpoints = new CheckpointsPanel(this.id);
    this.specification = new SpecificationPanel();
    replace(this.main,
      h('nav', { class: 'crumbs', 'aria-label': 'Where you are' },
        h('a', { href: '#/runs' }, 'Runs'), h('span', { 'aria-hidden': 'true' }, ' / '),
        h('span', { 'aria-current': 'page' }, this.id)),
      this.head.element,
      h('div', { class: 'run-columns' },
        h('div', { class: 'stack' },
          this.result.element, this.predict.element, this.charts.element,
          this.specification.element),
        h('div', { class: 'stack run-rail' },
          this.workers.element, this.happenings.element, this.checkpoints.element)));
  }

  show(run) {
    this.head.show(run);
    this.workers.show(run);
    this.checkpoints.show(run);
    this.result.show(run);
    this.predict.show(run);
  }
}
