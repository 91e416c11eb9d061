// The timeline of the last steps, as a trace viewer shows it.

import { path } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { count, duration, nodeName } from '../format.js';
import { onThemeChange } from '../theme.js';
import { KIND_COLOURS, meanParts, SERVER_KINDS, WORKER_KINDS } from './step-parts.js';
import { TraceCanvas } from './trace-canvas.js';

const FIRST_STEPS = 6;
const LEAST_SECONDS = 1e-5;

export class TracePanel {
  constructor(run, palette) {
    this.palette = palette;
    this.isLive = true;
    this.pointers = new Map();
    this.build(run);
    this.canvas = new TraceCanvas(this.surface, palette);
    this.stopTheme = onThemeChange(() => this.draw());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.surface);
  }

  end() {
    this.stopTheme();
    this.observer.disconnect();
  }

  build(run) {
    this.surface = h('canvas', {
      class: 'trace', tabindex: '0', role: 'img', 'aria-label': 'Timeline',
      on: {
        pointerdown: (event) => this.onDown(event),
        pointermove: (event) => this.onMove(event),
        pointerup: (event) => this.onUp(event),
        pointercancel: (event) => this.onUp(event),
        pointerleave: () => { this.tip.hidden = true; },
        keydown: (event) => this.onKey(event),
        dblclick: () => this.look(0, this.canvas.end),
      },
    });
    this.surface.addEventListener('wheel', (event) => this.onWheel(event), { passive: false });
    this.tip = h('div', { class: 'tip', hidden: true });
    const button = (text, label, act) => h('button', {
      type: 'button', class: 'button small-button', 'aria-label': label, title: label,
      on: { click: act },
    }, text);
    this.live = h('button', {
      type: 'button', class: 'button small-button', 'aria-pressed': 'true',
      on: { click: () => this.setLive(!this.isLive) },
    }, 'Live');
    this.words = h('p', { class: 'empty' });
    this.parts = h('div', { class: 'parts' });
    const kinds = [...WORKER_KINDS, ...SERVER_KINDS];
    this.body = h('div', { hidden: true },
      h('ul', { class: 'tree-key', 'aria-label': 'Colours' }, kinds.map((kind) => h('li', {},
        h('span', { class: 'swatch', style: { '--swatch': `var(${KIND_COLOURS[kind]})` } }),
        kind))),
      h('div', { class: 'trace-box' }, this.surface, this.tip),
      h('p', { class: 'muted small trace-hint' },
        'Drag to move; Ctrl and the wheel, two fingers or + and − to zoom; double-click for all.'),
      this.parts);
    this.title = h('span', { class: 'muted' });
    this.element = h('section', { class: 'panel', 'aria-label': 'Timeline of the last steps' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'The last steps'), this.title,
        h('div', { class: 'end' }, this.live,
          button('+', 'Zoom in', () => this.zoom(0.5, 0.5)),
          button('−', 'Zoom out', () => this.zoom(2, 0.5)),
          h('a', {
            class: 'button small-button', download: `${run}-timeline.json`,
            href: `${path('runs', run, 'timeline')}?format=chrome`,
          }, 'Export for a trace viewer'))),
      this.words, this.body);
  }

  say(text) {
    if (this.timeline && !this.isLive) {
      return;
    }

    this.timeline = null;
    this.body.hidden = true;
    this.words.hidden = false;
    setText(this.words, text);
    setText(this.title, '');
  }

  take(timeline) {
    if (!this.isLive && this.timeline) {
      return;
    }

    this.timeline = timeline;
    this.words.hidden = true;
    this.body.hidden = false;
    this.canvas.take(timeline);
    const { steps, end } = this.canvas;
    const first = steps[Math.max(0, steps.length - FIRST_STEPS)]?.[1] ?? 0;
    this.window = [first, Math.max(end, first + LEAST_SECONDS)];
    const silent = (timeline.missing ?? []).map(nodeName);
    setText(this.title, `${count(timeline.firstStep)} to ${count(timeline.endStep - 1)}`
      + (silent.length > 0 ? `; ${silent.join(', ')} did not answer in time` : ''));
    this.showParts();
    this.draw();
  }

  draw() {
    if (this.timeline && this.surface.clientWidth > 0) {
      this.canvas.draw(this.window);
    }
  }

  showParts() {
    const workers = meanParts(this.timeline.workers, WORKER_KINDS);
    const servers = meanParts(this.timeline.servers, SERVER_KINDS);
    const table = (name, rows, kinds, title) => (rows.length === 0 ? null : h('div', {
      class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name,
    }, h('table', { class: 'table parts-table' },
      h('caption', {}, name),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, title),
        kinds.map((kind) => h('th', { scope: 'col', class: 'num' }, kind)),
        h('td', { class: 'parts-bar' }))),
      h('tbody', {}, rows.map((row) => h('tr', {},
        h('th', { scope: 'row' }, row.slice === undefined ? nodeName(row.node)
          : `slice ${row.slice} · ${nodeName(row.node)}`),
        row.parts.map((part) => h('td', { class: 'num' }, duration(part.seconds))),
        h('td', { class: 'parts-bar' }, stacked(row.parts))))))));
    replace(this.parts,
      table('Where a worker’s step goes, on average', workers, WORKER_KINDS, 'Worker'),
      table('Where a server’s step goes, on average', servers, SERVER_KINDS, 'Server'));
    const said = workers.map((row) => `${nodeName(row.node)}: ${row.parts.map((part) =>
      `${part.kind} ${duration(part.seconds)}`).join(', ')}`);
    this.surface.setAttribute('aria-label', `Timeline of steps ${this.timeline.firstStep} to`
      + ` ${this.timeline.endStep - 1}. On average a step: ${said.slice(0, 8).join('; ')}.`
      + ' The tables below have all of it. Arrow keys move, plus and minus zoom.');
  }

  setLive(isLive) {
    this.isLive = isLive;
    this.live.setAttribute('aria-pressed', String(isLive));
  }

  look(from, to) {
    this.tip.hidden = true;
    this.setLive(false);
    const span = Math.max(LEAST_SECONDS, Math.min(to - from, this.canvas.end * 1.1));
    const slack = span * 0.5;
    const start = Math.min(Math.max(from, -slack), this.canvas.end + slack - span);
    this.window = [start, start + span];
    this.draw();
  }

  /** `anchor`: the share of the window that stays where it is. */
  zoom(factor, anchor) {
    const [from, to] = this.window;
    const fixed = from + (to - from) * anchor;
    const span = (to - from) * factor;
    this.look(fixed - span * anchor, fixed + span * (1 - anchor));
  }

  pan(share) {
    const [from, to] = this.window;
    const by = (to - from) * share;
    this.look(from + by, to + by);
  }

  onWheel(event) {
    if (event.ctrlKey || event.metaKey || document.activeElement === this.surface) {
      event.preventDefault();
      const anchor = (this.placeOf(event)[0] - this.canvas.left) / this.canvas.plotWidth;
      this.zoom(Math.exp(event.deltaY * 0.002), Math.min(1, Math.max(0, anchor)));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.pan((event.deltaX || event.deltaY) / this.canvas.plotWidth);
    }
  }

  onDown(event) {
    this.surface.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.placeOf(event));
    this.tip.hidden = true;
  }

  onMove(event) {
    const place = this.placeOf(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.showTip(place);
      return;
    }

    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId);
      const apart = (one) => Math.max(12, Math.abs(one[0] - other[1][0]));
      const middle = (place[0] + other[1][0]) / 2;
      this.zoom(apart(before) / apart(place),
        (middle - this.canvas.left) / this.canvas.plotWidth);
    } else {
      this.pan((before[0] - place[0]) / this.canvas.plotWidth);
    }

    this.pointers.set(event.pointerId, place);
  }

  onUp(event) {
    this.pointers.delete(event.pointerId);
  }

  onKey(event) {
    const acts = {
      ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15),
      '+': () => this.zoom(0.6, 0.5), '=': () => this.zoom(0.6, 0.5),
      '-': () => this.zoom(1.6, 0.5), 0: () => this.look(0, this.canvas.end),
      Home: () => this.look(0, this.canvas.end),
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : acts[event.key];
    if (act && this.timeline) {
      event.preventDefault();
      act();
    }
  }

  showTip([x, y]) {
    const found = this.timeline ? this.canvas.hit(x, y, this.window) : null;
    this.tip.hidden = !found;
    if (found) {
      const { span, lane } = found;
      replace(this.tip, h('strong', {}, span.kind), ` step ${count(span.step)}`, h('br', {}),
        `${duration(span.end - span.begin)}, ${lane.name}`);
      const room = this.surface.clientWidth - this.tip.offsetWidth - 8;
      this.tip.style.left = `${Math.max(0, Math.min(x + 12, room))}px`;
      this.tip.style.top = `${y + 14}px`;
    }
  }

  placeOf(event) {
    const box = this.surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

function stacked(parts) {
  const sum = parts.reduce((total, part) => total + part.seconds, 0);
  return h('div', { class: 'stacked', 'aria-hidden': 'true' }, parts.map(({ kind, seconds }) =>
    h('i', { style: {
      '--swatch': `var(${KIND_COLOURS[kind]})`,
      '--share': `${sum > 0 ? (seconds / sum) * 100 : 0}%`,
    } })));
}
