// A chart of lines over one axis: uPlot draws, this gives it a legend that can be operated, words
// for those who do not see it, keys, zoom, a logarithmic scale and smoothing.

import uPlot from '../../vendor/uplot/uPlot.esm.js';
import { h, replace, setText } from '../dom.js';
import { count, shortCount, value } from '../format.js';
import { colour, faint, onThemeChange } from '../theme.js';
import { smooth } from './smoothing.js';

const FONT = '11px system-ui, sans-serif';
const LOGARITHMIC = 3;
const ROBUST_SHARE = 0.99;
const ZOOM_KEYS = { '+': 0.5, '=': 0.5, '-': 2, _: 2 };

/**
 * What is drawn: `x` ascending, and series `{key, label, colour (a custom property), values,
 * low?, high? (values of a band around it), smooth?: whether it may be smoothed, dash?,
 * points?: whether each value has a dot}`; null is a gap.
 */
export class LineChart {
  /**
   * @param options `title`, `heading` (its element), `xName` ("step"), `height`, `sync` (charts of
   * one key share the cursor), `format` (of a value), `tools` (elements beside the title),
   * `isRobust` (outliers may leave the picture),
   * `onZoom(from, to)`, called with nulls for all
   */
  constructor(options) {
    this.options = {
      height: 220, format: value, xName: 'step', heading: 'h3', ...options,
    };
    this.hidden = new Set();
    this.log = false;
    this.weight = 0;
    this.window = null;
    this.data = { x: [], series: [] };
    this.build();
    this.stopTheme = onThemeChange(() => this.draw(true));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.plot);
  }

  /** Draws other values. */
  update(data) {
    this.data = data;
    this.draw(false);
  }

  setLog(log) {
    this.log = log;
    this.draw(true);
  }

  setSmoothing(weight) {
    this.weight = weight;
    this.draw(true);
  }

  /** Shows a part of the x axis; null: all there is. */
  setWindow(window) {
    this.window = window;
    this.draw(false);
  }

  destroy() {
    this.stopTheme();
    this.observer.disconnect();
    this.uplot?.destroy();
  }

  build() {
    const { title, height, tools, heading } = this.options;
    this.empty = h('p', { class: 'chart-empty' }, 'Nothing yet');
    this.plot = h('div', {
      class: 'chart-plot', tabindex: '0', role: 'img', 'aria-label': title,
      style: { 'min-height': `${height}px` },
      on: { keydown: (event) => this.onKey(event) },
    }, this.empty);
    this.legend = h('ul', { class: 'legend', 'aria-label': `${title}: lines` });
    this.said = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
    this.place = h('span', { class: 'muted small', 'aria-hidden': 'true' });
    this.element = h('section', { class: 'panel chart', 'aria-label': title },
      h('div', { class: 'panel-head' }, h(heading, { class: 'chart-title' }, title),
        h('div', { class: 'end' }, this.place, tools)),
      this.plot, this.legend, this.said);
  }

  draw(anew) {
    const lines = this.lines();
    const signature = lines.map((line) => `${line.key} ${line.colour} ${line.points}`).join('|');
    const table = [this.data.x, ...lines.map((line) => line.values)];
    this.empty.hidden = this.data.x.length > 0;
    if (this.uplot && !anew && signature === this.signature) {
      this.lines_ = lines;
      this.uplot.setData(table);
    } else {
      this.signature = signature;
      this.lines_ = lines;
      this.create(lines, table);
      this.drawLegend();
    }

    this.describe();
  }

  /** uPlot's series: a band is two of them, and a smoothed line stands before its raw self. */
  lines() {
    const positive = this.log
      ? (values) => values.map((one) => (one > 0 || one === undefined ? one : null))
      : (values) => values;
    return this.data.series.flatMap((series) => {
      const isShown = !this.hidden.has(series.key);
      const shown = (key, values, more) => ({
        key: `${series.key}/${key}`, of: series, values: positive(values), isShown,
        colour: series.colour, ...more,
      });
      const smoothed = series.smooth && this.weight > 0;
      return [
        ...(series.low ? [
          shown('high', series.high, { width: 0, band: 'high' }),
          shown('low', series.low, { width: 0, band: 'low' }),
        ] : []),
        ...(smoothed ? [shown('raw', series.values, { width: 1, opacity: 0.3 })] : []),
        shown('main', smoothed ? smooth(series.values, this.weight) : series.values, {
          width: 1.6, main: true, dash: series.dash, points: series.points,
        }),
      ];
    });
  }

  create(lines, table) {
    this.uplot?.destroy();
    const bands = lines.flatMap((line, index) => (line.band === 'high'
      ? [{ series: [index + 1, index + 2], fill: faint(line.colour, 0.18) }] : []));
    const { sync, height, format } = this.options;
    this.uplot = new uPlot({
      width: Math.max(120, this.plot.clientWidth),
      height,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, least, most) => this.xRange(least, most) },
        y: this.log ? { distr: LOGARITHMIC }
          : this.options.isRobust ? { range: () => this.robustRange() } : {},
      },
      series: [{}, ...lines.map((line) => ({
        show: line.isShown,
        stroke: line.width === 0 ? 'transparent'
          : line.opacity ? faint(line.colour, line.opacity) : colour(line.colour),
        width: line.width,
        dash: line.dash,
        spanGaps: false,
        points: {
          show: line.points === true, size: 5, fill: colour(line.colour),
          stroke: colour(line.colour),
        },
      }))],
      bands,
      axes: [
        this.axis({ size: 28, values: (_, ticks) => ticks.map((tick) =>
          (Number.isInteger(tick) ? shortCount(tick) : '')) }),
        this.axis({ size: 52, values: (_, ticks) => ticks.map((tick) =>
          (tick === null ? '' : format(tick, 3))) }),
      ],
      cursor: {
        sync: sync ? { key: sync, setSeries: false } : undefined,
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        focus: { prox: 16 },
      },
      hooks: {
        setSelect: [(plot) => this.onSelect(plot)],
        setCursor: [(plot) => this.showValues(plot.cursor.idx)],
      },
    }, table, this.plot);
    this.uplot.over.addEventListener('dblclick', () => this.zoomTo(null, null));
  }

  axis(more) {
    return {
      stroke: colour('--muted'), font: FONT, gap: 4,
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { show: false },
      ...more,
    };
  }

  xRange(least, most) {
    if (this.window) {
      return this.window;
    }

    return least === null ? [0, 1] : least === most ? [least - 0.5, most + 0.5] : [least, most];
  }

  /** From 0 to nearly all of what is in sight: one step that was measured too short must not
   * flatten all others. */
  robustRange() {
    const [min, max] = this.window ?? [-Infinity, Infinity];
    const seen = this.lines_.filter((line) => line.isShown && line.main)
      .flatMap((line) => line.of.values.filter((one, index) => isNumber(one)
        && this.data.x[index] >= min && this.data.x[index] <= max))
      .sort((one, other) => one - other);
    const most = seen[Math.floor((seen.length - 1) * ROBUST_SHARE)];
    return most > 0 ? [0, most * 1.15] : [0, 1];
  }

  onSelect(plot) {
    if (plot.select.width < 4) {
      return;
    }

    const from = plot.posToVal(plot.select.left, 'x');
    const to = plot.posToVal(plot.select.left + plot.select.width, 'x');
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoomTo(from, to);
  }

  zoomTo(from, to) {
    if (this.options.onZoom) {
      this.options.onZoom(from, to);
    } else {
      this.setWindow(from === null ? null : [from, to]);
    }
  }

  onKey(event) {
    const { x } = this.data;
    if (x.length === 0 || !this.uplot || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }

    const at = this.keyIndex ?? this.uplot.cursor.idx ?? x.length - 1;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      const pace = (event.shiftKey ? 10 : 1) * (event.key === 'ArrowLeft' ? -1 : 1);
      this.pointAt(Math.min(x.length - 1, Math.max(0, at + pace)));
    } else if (event.key === 'Home' || event.key === 'End') {
      this.pointAt(event.key === 'Home' ? 0 : x.length - 1);
    } else if (event.key in ZOOM_KEYS) {
      const { min, max } = this.uplot.scales.x;
      const middle = Math.min(max, Math.max(min, x[at]));
      const half = ((max - min) / 2) * ZOOM_KEYS[event.key];
      const [from, to] = [Math.max(x[0], middle - half), Math.min(x.at(-1), middle + half)];
      this.zoomTo(...(from <= x[0] && to >= x.at(-1) ? [null, null] : [from, to]));
    } else if (event.key === '0' || event.key === 'Escape') {
      this.zoomTo(null, null);
    } else {
      return;
    }

    event.preventDefault();
  }

  pointAt(index) {
    this.keyIndex = index;
    const left = this.uplot.valToPos(this.data.x[index], 'x');
    this.uplot.setCursor({ left, top: 0 });
    const { format, xName } = this.options;
    const values = this.lines_.filter((line) => line.main && line.isShown)
      .map((line) => `${line.of.label} ${format(line.values[index])}`);
    setText(this.said, `${xName} ${count(this.data.x[index])}: ${values.join(', ')}`);
  }

  drawLegend() {
    this.outputs = [];
    const lines = this.lines_.filter((line) => line.main);
    replace(this.legend, lines.map((line) => {
      const output = h('span', { class: 'legend-value' });
      this.outputs.push([line, output]);
      return h('li', {}, h('button', {
        type: 'button', 'aria-pressed': String(line.isShown),
        on: { click: () => this.toggle(line.of.key) },
      },
      h('span', { class: 'swatch', style: { '--swatch': `var(${line.colour})` } }),
      line.of.label, output));
    }));
    this.showValues(null);
  }

  toggle(key) {
    if (!this.hidden.delete(key)) {
      this.hidden.add(key);
    }

    const index = this.lines_.filter((line) => line.main)
      .findIndex((line) => line.of.key === key);
    this.draw(true);
    this.legend.children[index]?.firstElementChild.focus();
  }

  showValues(index) {
    if (document.activeElement !== this.plot) {
      this.keyIndex = null;
    }

    const x = this.data.x[index ?? -1];
    setText(this.place, x === undefined ? '' : `${this.options.xName} ${count(x)}`);
    for (const [line, output] of this.outputs ?? []) {
      const now = this.lines_.find((one) => one.key === line.key);
      const shown = index === null || index === undefined
        ? lastOf(now?.values ?? [])
        : now?.values[index];
      setText(output, shown === null || shown === undefined ? '' : this.options.format(shown));
    }
  }

  /** In words, for those who cannot see it. */
  describe() {
    const { title, xName, format } = this.options;
    const { x } = this.data;
    const parts = this.data.series.map((series) => {
      const [first, last] = [series.values.find(isNumber), lastOf(series.values)];
      return isNumber(first)
        ? `${series.label} from ${format(first)} to ${format(last)}`
        : `${series.label}: nothing`;
    });
    const span = x.length === 0
      ? 'nothing yet'
      : `${xName} ${count(x[0])} to ${count(x.at(-1))}; ${parts.slice(0, 12).join('; ')}`;
    this.plot.setAttribute(
      'aria-label', `${title}, a chart. ${span}. Arrow keys read values, plus and minus zoom.`);
    if (this.uplot && this.uplot.cursor.idx === null) {
      this.showValues(null);
    }
  }

  resize() {
    const width = Math.floor(this.plot.clientWidth);
    if (this.uplot && width > 0 && width !== this.uplot.width) {
      this.uplot.setSize({ width, height: this.options.height });
    }
  }
}

function isNumber(one) {
  return one !== null && one !== undefined && Number.isFinite(one);
}

function lastOf(values) {
  for (let index = values.length - 1; index >= 0; index--) {
    if (isNumber(values[index])) {
      return values[index];
    }
  }

  return null;
}
