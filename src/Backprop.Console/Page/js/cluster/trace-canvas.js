// Draws a timeline: a lane a node, its spans in it. Knows nothing of where the times come from or
// what is done with a mouse.

import { colour, faint } from '../theme.js';
import { duration, nodeName } from '../format.js';
import { KIND_COLOURS } from './step-parts.js';

const FONT = '12px system-ui, sans-serif';
const SMALL_FONT = '11px system-ui, sans-serif';
const TOP = 24;
const LANE = 40;
const GAP = 6;

// Where in a lane a kind lies, and how high it is: what may overlap lies apart.
const BANDS = {
  compute: [4, 16], push: [22, 6], wait: [30, 6],
  gather: [4, 6], apply: [12, 14], broadcast: [28, 6],
};

export class TraceCanvas {
  constructor(canvas, palette) {
    this.canvas = canvas;
    this.palette = palette;
    this.lanes = [];
    this.steps = [];
  }

  /** Takes other spans. */
  take(timeline) {
    const lane = (node, spans, name) => ({
      node, name, spans: [...spans].sort((one, other) => one.begin - other.begin),
    });
    this.lanes = [
      ...timeline.workers.map((one) => lane(one.node, one.spans, nodeName(one.node))),
      ...timeline.servers.map((one) =>
        lane(one.node, one.spans, `slice ${one.slice} · ${nodeName(one.node)}`)),
    ];
    const begins = new Map();
    for (const { step, begin } of this.lanes.flatMap((one) => one.spans)) {
      begins.set(step, Math.min(begin, begins.get(step) ?? Infinity));
    }

    this.steps = [...begins].sort(([one], [other]) => one - other);
    this.end = Math.max(0, ...this.lanes.flatMap((one) => one.spans.map((span) => span.end)));
  }

  get height() {
    return TOP + this.lanes.length * (LANE + GAP);
  }

  get left() {
    return this.canvas.clientWidth < 560 ? 92 : 178;
  }

  get plotWidth() {
    return Math.max(1, this.canvas.clientWidth - this.left);
  }

  /** The time at a place, in CSS pixels from the canvas's left. */
  timeAt(x, [from, to]) {
    return from + ((x - this.left) / this.plotWidth) * (to - from);
  }

  /** The span at a place, and whose it is; null: none. */
  hit(x, y, window) {
    const index = Math.floor((y - TOP) / (LANE + GAP));
    const lane = this.lanes[index];
    if (!lane || x < this.left) {
      return null;
    }

    const inside = y - TOP - index * (LANE + GAP);
    const slack = ((window[1] - window[0]) / this.plotWidth) * 2;
    const time = this.timeAt(x, window);
    const span = lane.spans.find(({ kind, begin, end }) => {
      const [top, height] = BANDS[kind] ?? [0, LANE];
      return inside >= top - 1 && inside <= top + height + 1
        && time >= begin - slack && time <= end + slack;
    });
    return span ? { lane, span } : null;
  }

  draw([from, to]) {
    const { canvas, left } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, this.height];
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    context.clearRect(0, 0, width, height);
    const x = (time) => left + ((time - from) / (to - from)) * this.plotWidth;
    context.save();
    context.beginPath();
    context.rect(left, 0, this.plotWidth, height);
    context.clip();
    this.drawSteps(context, x, height, [from, to]);
    this.lanes.forEach((lane, index) => {
      const top = TOP + index * (LANE + GAP);
      this.drawSpans(context, lane, top, x, [from, to]);
    });
    context.restore();
    this.drawNames(context, left);
    context.font = SMALL_FONT;
    context.fillStyle = colour('--muted');
    context.fillText(duration(to - from), 0, 15);
  }

  drawSteps(context, x, height, [from, to]) {
    context.font = SMALL_FONT;
    this.steps.forEach(([step, begin], index) => {
      const end = this.steps[index + 1]?.[1] ?? this.end;
      if (end < from || begin > to) {
        return;
      }

      const [start, stop] = [x(begin), x(end)];
      if (step % 2 === 0) {
        context.fillStyle = faint('--line', 0.35);
        context.fillRect(start, TOP, stop - start, height - TOP);
      }

      context.fillStyle = colour('--muted');
      const seen = Math.max(start, this.left);
      const text = stop - seen > 74 ? `step ${step}` : `${step}`;
      if (stop - seen > context.measureText(text).width + 8) {
        context.fillText(text, seen + 4, 15);
      }
    });
  }

  drawSpans(context, lane, top, x, [from, to]) {
    for (const { kind, begin, end } of lane.spans) {
      if (end < from || begin > to) {
        continue;
      }

      const [offset, height] = BANDS[kind] ?? [0, LANE];
      const start = x(begin);
      const width = Math.max(1, x(end) - start - 0.5);
      context.fillStyle = kind === 'wait' || kind === 'gather'
        ? faint(KIND_COLOURS[kind], 0.55) : colour(KIND_COLOURS[kind] ?? '--line-strong');
      context.beginPath();
      context.roundRect(start, top + offset, width, height, Math.min(2.5, width / 2));
      context.fill();
    }
  }

  drawNames(context, left) {
    context.font = FONT;
    this.lanes.forEach((lane, index) => {
      const top = TOP + index * (LANE + GAP);
      context.fillStyle = colour(this.palette.of(lane.node));
      context.beginPath();
      context.roundRect(0, top + 13, 8, 8, 2);
      context.fill();
      context.fillStyle = colour('--text');
      context.fillText(fitted(context, lane.name, left - 22), 14, top + 21);
      context.fillStyle = colour('--grid');
      context.fillRect(0, top + LANE + GAP / 2, left + this.plotWidth, 1);
    });
  }
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) {
    return text;
  }

  // The end of an address, its port, tells nodes of one machine apart.
  let cut = text;
  while (cut.length > 4 && context.measureText(`…${cut}`).width > width) {
    cut = cut.slice(1);
  }

  return `…${cut}`;
}
