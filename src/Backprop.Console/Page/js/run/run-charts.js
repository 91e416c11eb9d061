// The charts of a run. Those over steps share what part of them is looked at; a part is asked for
// anew, as fine as the server has it.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { percent, value } from '../format.js';
import { seriesColour } from '../theme.js';
import { LineChart } from '../charts/line-chart.js';
import { chartTools } from '../charts/chart-tools.js';
import { CurveStore } from './curve-store.js';
import { epochNumbers, quality, trainingLoss, validationLoss } from './epoch-series.js';

const POINTS = 2_000;
const REDRAW_MS = 250;

export class RunCharts {
  constructor(id) {
    this.id = id;
    this.all = new CurveStore();
    this.part = null;
    this.history = [];
    this.tools = chartTools({
      onLog: (log) => this.lossCharts().forEach((chart) => chart.setLog(log)),
      onSmoothing: (weight) => this.stepCharts().forEach((chart) => chart.setSmoothing(weight)),
      onReset: () => this.zoom(null, null),
    });
    const steps = {
      sync: `steps-${id}`, onZoom: (from, to) => this.zoom(from, to),
    };
    const epochs = { xName: 'epoch', sync: `epochs-${id}` };
    this.loss = new LineChart({ ...steps, title: 'Loss by step', height: 260 });
    this.norms = new LineChart({ ...steps, title: 'Gradient norm by layer', height: 220 });
    this.rate = new LineChart({ ...steps, title: 'Learning rate' });
    this.speed = new LineChart({ ...steps, title: 'Steps per second', isRobust: true });
    this.epochLoss = new LineChart({ ...epochs, title: 'Loss by epoch', height: 260 });
    this.quality = new LineChart({ ...epochs, title: 'Metric by epoch' });
    this.charts =
      [this.loss, this.epochLoss, this.norms, this.quality, this.rate, this.speed];
    this.stepCharts().forEach((chart) => chart.setSmoothing(this.tools.smoothing));
    this.element = h('section', { class: 'stack', 'aria-label': 'Charts' },
      h('div', { class: 'head charts-head' }, h('h2', {}, 'Charts'),
        h('div', { class: 'end' }, this.tools.element)),
      h('div', { class: 'charts' }, this.charts.map((chart) => chart.element)));
  }

  addPoints(points) {
    this.all.merge(points);
    this.drawSoon();
  }

  addEpoch(report) {
    const at = this.history.findIndex((epoch) => epoch.epoch >= report.epoch);
    this.history.splice(at < 0 ? this.history.length : at, at < 0 ? 0 : Infinity, report);
    this.drawSoon();
  }

  end() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.charts.forEach((chart) => chart.destroy());
  }

  stepCharts() {
    return [this.loss, this.norms, this.rate, this.speed];
  }

  lossCharts() {
    return [this.loss, this.epochLoss, this.norms];
  }

  async zoom(from, to) {
    this.abort?.abort();
    this.part = null;
    this.tools.showReset(from !== null);
    for (const chart of this.stepCharts()) {
      chart.window = from === null ? null : [from, to];
    }

    this.drawSteps();
    if (from !== null) {
      const abort = this.abort = new AbortController();
      const points = await get(
        `${path('runs', this.id, 'curves')}?points=${POINTS}`
        + `&from=${Math.max(0, Math.floor(from))}&to=${Math.ceil(to) + 1}`,
        { signal: abort.signal });
      this.part = CurveStore.of(points);
      this.drawSteps();
    }
  }

  /** What comes several times a second is drawn a few times a second. */
  drawSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.drawSteps();
      this.drawEpochs();
    }, REDRAW_MS);
  }

  drawSteps() {
    const of = this.part ?? this.all;
    const x = of.step;
    this.loss.update({ x, series: [{
      key: 'loss', label: 'Training loss', colour: '--s0', values: of.lossMean,
      low: of.lossMin, high: of.lossMax, smooth: true,
    }] });
    this.rate.update({ x, series: [{
      key: 'rate', label: 'Learning rate', colour: '--s0', values: of.learningRate,
    }] });
    this.speed.update({ x, series: [{
      key: 'speed', label: 'Steps per second', colour: '--s0', smooth: true,
      values: of.stepSeconds.map((seconds) => (seconds > 0 ? 1 / seconds : null)),
    }] });
    this.norms.update({ x, series: [
      { key: '', label: 'All', colour: '--text', values: of.gradientNorm, smooth: true },
      ...of.layers.map((layer, index) => ({
        key: `layer ${layer}`, label: layer, colour: seriesColour(index),
        values: of.layerNorms[index], smooth: true,
      })),
    ] });
  }

  drawEpochs() {
    const { history } = this;
    const x = epochNumbers(history);
    const few = history.length <= 60;
    const validation = validationLoss(history);
    this.epochLoss.update({ x, series: [
      { key: 'training', label: 'Training loss', colour: '--s0', values: trainingLoss(history),
        points: few },
      ...validation.some((one) => one !== null) ? [{
        key: 'validation', label: 'Validation loss', colour: '--s1', values: validation,
        points: few,
      }] : [],
    ] });
    const found = quality(history);
    this.quality.element.hidden = history.length > 0 && !found;
    if (found) {
      this.quality.options.format = found.isShare ? percentOf : value;
    }

    this.quality.update({ x, series: found ? [{
      key: found.name, label: found.name, colour: '--s2', values: found.values,
      points: few,
    }] : [] });
  }
}

function percentOf(share) {
  return percent(share, 1);
}
