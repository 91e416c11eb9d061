// The list of runs, as it changes.

import { get, path } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { counted } from '../format.js';
import { follow } from '../live.js';
import { RunRow } from '../runs/run-row.js';
import { SparkLoader } from '../runs/spark-loader.js';
import { mayChange } from '../session.js';

const PAGE = 100;
const MOST_COMPARED = 8;
const COLUMNS = [
  ['', 'Compare'], ['Run'], ['State'], ['Progress'], ['What it is at'], ['Loss'],
  ['Metric', '', 'num'], ['Workers', '', 'num'], ['Submitted', '', 'num'],
];

export function mount(main) {
  const view = new RunsView(main);
  view.start();
  return () => view.end();
}

class RunsView {
  constructor(main) {
    this.main = main;
    this.rows = new Map();
    this.ticked = new Set();
    this.sparks = new SparkLoader();
    this.abort = new AbortController();
    this.filter = '';
  }

  start() {
    this.build();
    this.load(null);
    this.unfollow = follow(path('events'), { runs: (runs) => this.receive(runs.runs ?? runs) });
    this.clock = setInterval(() => this.rows.forEach((row) => row.showAge()), 10_000);
  }

  end() {
    this.unfollow();
    this.abort.abort();
    this.sparks.end();
    clearInterval(this.clock);
  }

  build() {
    this.body = h('tbody', { role: 'rowgroup' });
    this.total = h('span', { class: 'muted' });
    this.older = h('button', {
      type: 'button', class: 'button', hidden: true, on: { click: () => this.load(this.next) },
    }, 'Show older runs');
    this.compare = h('button', {
      type: 'button', class: 'button', disabled: true,
      on: {
        click: () => {
          location.hash = `#/compare/${[...this.ticked].map(encodeURIComponent).join(',')}`;
        },
      },
    }, 'Compare');
    const search = h('input', {
      type: 'search', placeholder: 'Filter', 'aria-label': 'Filter runs by name or state',
      on: {
        input: () => {
          this.filter = search.value.trim().toLowerCase();
          this.applyFilter();
        },
      },
    });
    this.table = h('table', { role: 'table', class: 'table runs', 'aria-label': 'Runs' },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
        COLUMNS.map(([text, hint, kind]) => h('th', {
          role: 'columnheader', scope: 'col', class: kind ?? '',
        }, hint ? h('span', { class: 'visually-hidden' }, hint) : text)))),
      this.body);
    this.emptied = h('div', { class: 'empty' }, 'Loading…');
    replace(this.main,
      h('div', { class: 'head' }, h('h1', {}, 'Runs'), this.total,
        h('div', { class: 'end' }, search, this.compare,
          mayChange() ? h('a', { class: 'button button-primary', href: '#/submit' },
            'Submit a run') : null)),
      h('div', { class: 'panel runs-panel' }, this.table, this.emptied),
      h('div', { class: 'runs-more' }, this.older));
    this.table.hidden = true;
    this.showCompare();
  }

  async load(after) {
    this.older.disabled = true;
    const query = after === null ? '' : `&after=${encodeURIComponent(after)}`;
    try {
      const answer = await get(
        `${path('runs')}?limit=${PAGE}${query}`, { signal: this.abort.signal });
      this.next = answer.next ?? null;
      this.older.hidden = !this.next;
      this.receive(answer.runs);
    } catch (failure) {
      if (this.rows.size === 0 && failure.name !== 'AbortError') {
        replace(this.emptied, `The runs cannot be listed: ${failure.message}.`);
      }

      throw failure;
    } finally {
      this.older.disabled = false;
    }
  }

  receive(summaries) {
    for (const summary of summaries) {
      let row = this.rows.get(summary.id);
      if (!row) {
        row = new RunRow(summary.id, (isOn) => this.tick(summary.id, isOn));
        this.rows.set(summary.id, row);
        this.sparks.watch(row.element, (values) => row.showLosses(values));
        this.place(row, summary);
      }

      row.show(summary);
      this.sparks.know(row.element, summary);
    }

    this.table.hidden = this.rows.size === 0;
    this.emptied.hidden = this.rows.size > 0;
    if (this.rows.size === 0) {
      replace(this.emptied, 'No run yet. ',
        h('a', { href: '#/submit' }, 'Submit one'), ': the examples train in seconds.');
    }

    this.applyFilter();
  }

  /** Newest first. */
  place(row, summary) {
    const at = Date.parse(summary.submitted);
    const older = Array.from(this.body.children).find((element) => {
      const other = this.rows.get(element.dataset.run);
      return Date.parse(other.summary.submitted) < at;
    });
    row.element.dataset.run = summary.id;
    this.body.insertBefore(row.element, older ?? null);
  }

  applyFilter() {
    let shown = 0;
    for (const row of this.rows.values()) {
      const { id, name, standing } = row.summary;
      const isShown = `${id} ${name} ${standing}`.toLowerCase().includes(this.filter);
      row.element.hidden = !isShown;
      shown += isShown ? 1 : 0;
    }

    setText(this.total, this.rows.size === 0 ? ''
      : this.filter ? `${shown} of ${counted(this.rows.size, 'run')}`
        : counted(this.rows.size, 'run'));
  }

  tick(id, isOn) {
    if (isOn) {
      this.ticked.add(id);
    } else {
      this.ticked.delete(id);
    }

    this.showCompare();
  }

  showCompare() {
    const n = this.ticked.size;
    const may = n >= 2 && n <= MOST_COMPARED;
    setText(this.compare, n === 0 ? 'Compare' : `Compare ${n}`);
    this.compare.disabled = !may;
    this.compare.title = may ? '' : `Tick 2 to ${MOST_COMPARED} runs to compare them`;
  }
}
