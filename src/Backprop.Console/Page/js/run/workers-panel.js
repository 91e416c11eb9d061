// Who computes which micro-batches, and how fast.

import { h, replace } from '../dom.js';
import { counted, duration, nodeName, number, range, time } from '../format.js';

// Finer strips cannot be told apart.
const MOST_CELLS = 64;

export class WorkersPanel {
  constructor(palette) {
    this.palette = palette;
    this.content = h('div', {});
    this.summary = h('summary', {});
    this.list = h('ul', {});
    this.participants = h('details', { class: 'small', hidden: true }, this.summary, this.list);
    this.element = h('section', { class: 'panel', 'aria-label': 'Workers' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'Workers')), this.content,
      this.participants);
  }

  show(run) {
    const { participants = [] } = run;
    this.showParticipants(participants);
    const signature = JSON.stringify([
      run.workers, run.servers, run.microBatches, participants.length === 0,
    ]);
    if (signature === this.signature) {
      return;
    }

    this.signature = signature;
    const { workers, microBatches } = run;
    this.element.hidden = workers.length === 0 && run.servers.length === 0
      && participants.length === 0;
    replace(this.content,
      workers.length === 0 ? h('p', { class: 'muted' }, 'None at the moment.')
        : h('ul', { class: 'workers' }, workers.map((worker) => this.row(worker, microBatches))),
      run.servers.length === 0 ? null : h('p', { class: 'muted small workers-servers' },
        `${counted(run.servers.length, 'parameter server')}: `,
        run.servers.map(nodeName).join(', ')));
  }

  /** Stays open, or closed, whatever else changes. */
  showParticipants(participants) {
    const signature = JSON.stringify(participants);
    if (signature === this.shown) {
      return;
    }

    this.shown = signature;
    this.participants.hidden = participants.length === 0;
    replace(this.summary, `${counted(participants.length, 'node')} took part so far`);
    replace(this.list, participants.map((one) => h('li', {},
      `${nodeName(one.node)}: ${[
        one.served ? 'served' : '', one.computed ? 'computed' : '',
      ].filter(Boolean).join(', ')}, since ${time(one.from)}`)));
  }

  row({ node, range: { first, end }, secondsPerMicroBatch }, microBatches) {
    const seconds = number(secondsPerMicroBatch);
    const colour = `var(${this.palette.of(node)})`;
    return h('li', { style: { '--swatch': colour } },
      h('div', { class: 'workers-name' }, h('span', { class: 'swatch' }), nodeName(node),
        h('span', { class: 'muted small' },
          Number.isFinite(seconds) ? `${duration(seconds)} each` : '')),
      shareStrip(first, end, microBatches),
      h('span', { class: 'muted small' },
        end > first
          ? `micro-batch${end - first > 1 ? 'es' : ''} ${range(first, end)} of ${microBatches}`
          : 'observes'));
  }
}

/** Which part of the micro-batches [0, all) is [first, end). */
export function shareStrip(first, end, all) {
  const strip = h('div', { class: 'strip', 'aria-hidden': 'true' });
  const fill = h('i', {});
  fill.style.setProperty('--from', `${(first / all) * 100}%`);
  fill.style.setProperty('--size', `${((end - first) / all) * 100}%`);
  strip.style.setProperty('--cells', String(Math.min(all, MOST_CELLS)));
  strip.append(fill);
  return strip;
}
