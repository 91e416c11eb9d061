// The cluster as it is: nodes, what runs wait for, and the steps of one of them from within.

import { get, path, Refusal } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { nodeName, sentence } from '../format.js';
import { follow } from '../live.js';
import { Palette } from '../palette.js';
import { isActive, isFinal } from '../runs/standing.js';
import { NodesPanel } from '../cluster/nodes-panel.js';
import { TimelineSource } from '../cluster/timeline-source.js';
import { TracePanel } from '../cluster/trace-panel.js';
import { TreePanel } from '../cluster/tree-panel.js';
import { WaitsPanel } from '../cluster/waits-panel.js';

const SHARES_MS = 2_000;
const MOST_SHARES = 6;

export function mount(main, route) {
  const view = new ClusterView(main, route.query.get('run'));
  view.start();
  return () => view.end();
}

class ClusterView {
  constructor(main, run) {
    this.main = main;
    this.asked = run;
    this.summaries = [];
    this.abort = new AbortController();
    this.palette = new Palette();
  }

  start() {
    this.build();
    this.unfollow = follow(path('events'), {
      runs: (runs) => this.receiveRuns(runs.runs ?? runs),
      cluster: (cluster) => this.receiveCluster(cluster),
    });
    this.loadShares();
    if (this.asked) {
      this.watch(this.asked);
    }
  }

  /** The run that is watched unless somebody chooses another. */
  get first() {
    return this.summaries.find((one) => one.standing === 'training')
      ?? this.summaries.find((one) => isActive(one.standing));
  }

  end() {
    this.unfollow();
    this.abort.abort();
    clearTimeout(this.timer);
    this.unwatch();
  }

  build() {
    this.name = h('span', { class: 'muted' });
    this.warnings = h('div', { class: 'warnings', role: 'status' });
    this.nodes = new NodesPanel(this.palette);
    this.waits = new WaitsPanel({
      onWatch: (run) => this.choose(run), onPoint: (node) => this.nodes.point(node),
    });
    this.steps = h('section', { class: 'stack', 'aria-label': 'Steps' });
    replace(this.main,
      h('div', { class: 'head' }, h('h1', {}, 'Cluster'), this.name),
      h('div', { class: 'stack' },
        this.warnings, this.waits.element, this.steps, this.nodes.element));
  }

  receiveCluster(cluster) {
    cluster.nodes.map((node) => node.description.node).sort().forEach((node) =>
      this.palette.of(node));
    setText(this.name, cluster.name);
    replace(this.warnings, cluster.warnings.map((text) =>
      h('p', { class: 'note note-warn' }, text)));
    this.waits.know(cluster.nodes.map((node) => nodeName(node.description.node)));
    this.nodes.show(cluster);
  }

  receiveRuns(summaries) {
    this.summaries = summaries;
    this.waits.show(summaries, this.watched);
    const { first } = this;
    const isOver = this.asked === null
      && summaries.some((one) => one.id === this.watched && isFinal(one.standing));
    if (first && (!this.watched || isOver)) {
      this.watch(first.id);
    } else {
      this.steer();
    }
  }

  watch(run) {
    if (run === this.watched) {
      return;
    }

    this.unwatch();
    this.watched = run;
    this.tree = new TreePanel(this.palette);
    this.trace = new TracePanel(run, this.palette);
    replace(this.steps, h('h2', { class: 'steps-title' }, `Steps of ${run}`),
      this.tree.element, this.trace.element);
    this.say('Asking the nodes…');
    this.steer();
    this.waits.show(this.summaries, run);
    this.loadShares();
  }

  choose(run) {
    this.asked = run;
    this.watch(run);
  }

  /** Asks the nodes as long as they have the run; what they said last stays to be looked at. */
  steer() {
    const summary = this.summaries.find((one) => one.id === this.watched);
    if (!this.watched) {
      return;
    }

    if (summary && !isActive(summary.standing)) {
      this.source?.end();
      this.source = null;
      if (!this.tree.timeline) {
        this.say(`No node has ${this.watched} at the moment: ${sentence(summary.reason)}.`);
      }
    } else {
      this.source ??= new TimelineSource(this.watched, {
        onTimeline: (timeline) => {
          this.tree.take(timeline);
          this.trace.take(timeline);
          this.nodes.flow(timeline);
        },
        onWords: (text) => this.say(text),
      });
    }
  }

  say(text) {
    this.tree.say(text);
    this.trace.say(text);
  }

  unwatch() {
    this.source?.end();
    this.source = null;
    this.tree?.end();
    this.trace?.end();
  }

  /** Shares and speeds are of a run in full: those of the runs that go are asked for. */
  async loadShares() {
    clearTimeout(this.timer);
    const going = this.summaries.filter((one) => isActive(one.standing)).map((one) => one.id);
    const ids = [...new Set([this.watched, ...going].filter(Boolean))].slice(0, MOST_SHARES);
    if (!document.hidden) {
      const answers = await Promise.allSettled(
        ids.map((id) => get(path('runs', id), { signal: this.abort.signal })));
      const failure = answers.find((one) =>
        one.status === 'rejected' && !(one.reason instanceof Refusal))?.reason;
      if (this.abort.signal.aborted) {
        return;
      }

      if (failure) {
        throw failure;
      }

      // A run that cannot be asked has no share to show; the banner says what is wrong.
      const runs = answers.filter((one) => one.status === 'fulfilled').map((one) => one.value);
      this.tree?.know(runs.find((run) => run.summary.id === this.watched)?.workers ?? []);
      this.nodes.know(runs.filter((run) => !isFinal(run.summary.standing)));
    }

    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.loadShares(), SHARES_MS);
  }
}
