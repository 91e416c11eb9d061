// A run in the list: a row of a table on a desk, a card on a phone.

import { h, replace, setAttribute, setText } from '../dom.js';
import { ago, count, percent, sentence, shortCount, time, value } from '../format.js';
import { sparkline } from '../charts/sparkline.js';
import { runAddress } from '../routes.js';
import { progressBar, progressOf, standingChip } from './standing.js';

export class RunRow {
  constructor(id, onTick) {
    this.id = id;
    this.tick = h('input', {
      type: 'checkbox', 'aria-label': `Compare ${id}`,
      on: { change: () => onTick(this.tick.checked) },
    });
    this.chip = standingChip();
    this.bar = progressBar(`Progress of ${id}`);
    this.parts = Object.fromEntries(
      ['name', 'reason', 'share', 'steps', 'metric', 'workers', 'when']
        .map((part) => [part, h('span', {})]));
    this.spark = h('span', { class: 'run-spark' });
    const cell = (name, ...children) => h('td', { role: 'cell', class: `run-${name}` }, children);
    const { name, reason, share, steps, metric, workers, when } = this.parts;
    this.element = h('tr', { role: 'row' },
      cell('tick', this.tick),
      h('th', { role: 'rowheader', scope: 'row', class: 'run-name' },
        h('a', { href: runAddress(id) }, id), name),
      cell('standing', this.chip.element),
      cell('progress', this.bar.element, h('span', { class: 'run-steps' }, share, steps)),
      cell('reason', reason),
      cell('loss', this.spark),
      cell('metric num', metric),
      cell('workers num', workers),
      cell('when num', when));
  }

  show(summary) {
    this.summary = summary;
    const { name, reason, share, steps, metric, workers } = this.parts;
    this.chip.show(summary.standing);
    this.bar.show(summary);
    const done = progressOf(summary);
    setText(name, [
      this.id.startsWith(summary.name) ? '' : summary.name,
      summary.priority === 0 ? '' : `priority ${summary.priority}`,
    ].filter(Boolean).join(', '));
    setText(reason, sentence(summary.reason));
    setAttribute(reason, 'title', sentence(summary.reason));
    setText(share, done === null ? '' : percent(done, done < 1 ? 1 : 0));
    setText(steps, summary.totalSteps > 0
      ? `${shortCount(summary.version)} of ${shortCount(summary.totalSteps)}` : '');
    setText(metric, value(summary.metric));
    metric.parentElement.classList.toggle('none', summary.metric === null);
    setText(workers, summary.workers > 0 ? count(summary.workers) : '–');
    this.showAge();
  }

  showAge() {
    setText(this.parts.when, ago(this.summary.submitted));
    setAttribute(this.parts.when, 'title', time(this.summary.submitted));
  }

  showLosses(values) {
    replace(this.spark, sparkline(values, 'Loss'));
  }
}
