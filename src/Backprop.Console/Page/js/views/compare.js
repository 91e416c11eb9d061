// Several runs in the same charts.

import { get, path, Refusal } from '../api.js';
import { h, replace } from '../dom.js';
import { count, duration, percent, spanSeconds, value } from '../format.js';
import { chartTools } from '../charts/chart-tools.js';
import { LineChart } from '../charts/line-chart.js';
import { runAddress } from '../routes.js';
import { isFinal, standingChip } from '../runs/standing.js';
import { CurveStore } from '../run/curve-store.js';
import { epochNumbers, quality, trainingLoss, validationLoss } from '../run/epoch-series.js';
import { joined } from '../run/joined.js';
import { seriesColour } from '../theme.js';

const MOST = 8;
const POINTS = 1_000;
const AGAIN_MS = 4_000;

export function mount(main, route) {
  const ids = [...new Set(route.argument.split(',').filter(Boolean))].slice(0, MOST);
  const view = new CompareView(main, ids);
  view.start();
  return () => view.end();
}

class CompareView {
  constructor(main, ids) {
    this.main = main;
    this.abort = new AbortController();
    this.window = null;
    this.runs = ids.map((id, index) => ({
      id, colour: seriesColour(index), run: null, curves: new CurveStore(), failure: null,
    }));
  }

  start() {
    this.build();
    this.offer();
    if (this.runs.length === 0) {
      replace(this.main, h('div', { class: 'head' }, h('h1', {}, 'Compare runs'), this.choice),
        h('p', { class: 'empty' }, 'Choose runs here, or tick some in the ',
          h('a', { href: '#/runs' }, 'list'), ' to compare them.'));
      return;
    }

    this.refresh();
  }

  end() {
    this.abort.abort();
    clearTimeout(this.timer);
    this.charts.forEach((chart) => chart.destroy());
  }

  build() {
    const tools = this.tools = chartTools({
      onLog: (log) => [this.loss, this.training, this.validation]
        .forEach((chart) => chart.setLog(log)),
      onSmoothing: (weight) => this.loss.setSmoothing(weight),
      onReset: () => this.zoom(null, null),
    });
    const epochs = { xName: 'epoch', heading: 'h2', sync: 'compare-epochs' };
    this.loss = new LineChart({
      title: 'Training loss by step', heading: 'h2', height: 340,
      onZoom: (from, to) => this.zoom(from, to),
    });
    this.loss.setSmoothing(tools.smoothing);
    this.training = new LineChart({ ...epochs, title: 'Training loss by epoch' });
    this.validation = new LineChart({ ...epochs, title: 'Validation loss by epoch' });
    this.quality = new LineChart({ ...epochs, title: 'Validation accuracy or R² by epoch' });
    this.charts = [this.loss, this.training, this.validation, this.quality];
    this.table = h('tbody', {});
    this.choice = h('select', {
      'aria-label': 'Add a run', hidden: true,
      on: { change: () => this.goTo([...this.ids, this.choice.value]) },
    });
    const column = (text, kind = '') => h('th', { scope: 'col', class: kind }, text);
    replace(this.main,
      h('div', { class: 'head' }, h('h1', {}, 'Compare runs'),
        h('div', { class: 'end' }, this.choice, tools.element)),
      h('div', { class: 'stack' },
        h('div', { class: 'panel scroll', tabindex: '0', role: 'region', 'aria-label': 'Runs' },
          h('table', { class: 'table compared-legend' },
            h('thead', {}, h('tr', {}, column('Run'), column('State'), column('Step', 'num'),
              column('Training loss', 'num'), column('Validation loss', 'num'),
              column('Best metric', 'num'), column('Test', 'num'), column('Elapsed', 'num'),
              h('td', {}))),
            this.table)),
        this.loss.element,
        h('div', { class: 'charts' },
          [this.training, this.validation, this.quality].map((chart) => chart.element))));
  }

  get ids() {
    return this.runs.map((one) => one.id);
  }

  goTo(ids) {
    location.hash = `#/compare/${ids.map(encodeURIComponent).join(',')}`;
  }

  /** What else could be compared. */
  async offer() {
    const { runs } = await get(path('runs'), { signal: this.abort.signal });
    const others = runs.map((run) => run.id).filter((id) => !this.ids.includes(id));
    replace(this.choice, h('option', { value: '' }, 'Add a run…'),
      others.map((id) => h('option', { value: id }, id)));
    this.choice.hidden = others.length === 0 || this.runs.length >= MOST;
  }

  async refresh() {
    await Promise.all(this.runs.map((one) => this.load(one)));
    if (this.abort.signal.aborted) {
      return;
    }

    this.draw();
    const mayChange = this.runs.some(({ run }) => !run || !isFinal(run.summary.standing));
    if (mayChange) {
      this.timer = setTimeout(() => this.refresh(), AGAIN_MS);
    }
  }

  async load(one) {
    if (one.run && isFinal(one.run.summary.standing) && one.windowOf === this.window
      || document.hidden) {
      return;
    }

    const { signal } = this.abort;
    const window = this.window;
    const part = window === null ? '' : `&from=${Math.max(0, Math.floor(window[0]))}`
      + `&to=${Math.ceil(window[1]) + 1}`;
    try {
      const [run, points] = await Promise.all([
        get(path('runs', one.id), { signal }),
        get(`${path('runs', one.id, 'curves')}?points=${POINTS}${part}`, { signal }),
      ]);
      Object.assign(one, {
        run, curves: CurveStore.of(points), windowOf: window, failure: null,
      });
    } catch (failure) {
      if (failure instanceof Refusal) {
        one.failure = failure.message;
      } else if (failure.name !== 'AbortError') {
        throw failure;
      }
    }
  }

  async zoom(from, to) {
    clearTimeout(this.timer);
    this.window = from === null ? null : [from, to];
    this.tools.showReset(from !== null);
    this.loss.setWindow(this.window);
    await this.refresh();
  }

  draw() {
    replace(this.table, this.runs.map((one) => this.row(one)));
    const found = this.runs.filter(({ run }) => run);
    const lines = (make, smooth) => found.map((one) => {
      const [x, values] = make(one);
      return { key: one.id, label: one.id, colour: one.colour, x, values, smooth };
    });
    this.loss.update(joined(lines(({ curves }) => [curves.step, curves.lossMean], true)));
    const byEpoch = (make) =>
      lines(({ run }) => [epochNumbers(run.history), make(run.history)], false);
    this.training.update(joined(byEpoch(trainingLoss)));
    this.validation.update(joined(byEpoch(validationLoss)));
    this.quality.update(joined(byEpoch((history) =>
      quality(history)?.values ?? history.map(() => null))));
  }

  row({ id, colour, run, failure }) {
    const name = h('th', { scope: 'row' },
      h('span', { class: 'swatch', style: { '--swatch': `var(${colour})` } }),
      h('a', { href: runAddress(id) }, id));
    const away = h('td', { class: 'num' }, h('button', {
      type: 'button', class: 'button small-button', 'aria-label': `Take ${id} out`,
      on: { click: () => this.goTo(this.ids.filter((other) => other !== id)) },
    }, '×'));
    if (!run) {
      return h('tr', {}, name, h('td', { colspan: '7' }, failure ?? 'Loading…'), away);
    }

    const last = run.history.at(-1);
    const chip = standingChip();
    chip.show(run.summary.standing);
    const cell = (text) => h('td', { class: 'num' }, text);
    const bests = run.history.filter((epoch) => epoch.isBest);
    const test = run.result?.test;
    return h('tr', {}, name, h('td', {}, chip.element),
      cell(count(run.summary.version)),
      cell(value(last?.trainingLoss)), cell(value(last?.validation?.loss)),
      cell(value(run.result?.bestMetric ?? bests.at(-1)?.metric)),
      cell(!test ? '–' : test.classification ? percent(test.classification.accuracy)
        : test.regression ? `R² ${value(test.regression.r2)}` : value(test.loss)),
      cell(duration(spanSeconds(run.elapsed))), away);
  }
}
