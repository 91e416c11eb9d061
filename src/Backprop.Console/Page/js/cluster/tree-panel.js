// The gradient tree of the latest step, filling up in slow motion: each leaf a micro-batch in the
// colour of the worker that computes it, each node lit when it is whole.

import { h, replace, setText, svg } from '../dom.js';
import { count, counted, duration, nodeName, range } from '../format.js';
import { prefersStill } from '../theme.js';
import { missing, treeOf, wholeness } from './gradient-tree.js';

const MOST_LEAVES = 64;
const MOST_NUMBERED = 32;
const LEVEL = 46;
const MARGIN = 20;
const PLAY_MS = 2_600;
const HOLD_MS = 900;

// Smooth enough for lamps, and half the work of every frame of the screen.
const FRAME_MS = 45;
const FRAME_STEPS = 1_000;

export class TreePanel {
  constructor(palette) {
    this.palette = palette;
    this.slice = 0;
    this.shares = [];
    this.build();
  }

  end() {
    cancelAnimationFrame(this.frame);
  }

  build() {
    this.title = h('span', { class: 'muted' });
    this.svg = svg('svg', { class: 'tree', role: 'img' });
    this.play = h('button', {
      type: 'button', class: 'button small-button', on: { click: () => this.toggle() },
    }, 'Pause');
    this.scrub = h('input', {
      type: 'range', min: '0', max: String(FRAME_STEPS), value: '0',
      'aria-label': 'Time within the step',
      on: {
        input: () => {
          this.setPlaying(false);
          this.showAt(Number(this.scrub.value) / FRAME_STEPS);
        },
      },
    });
    this.clock = h('span', { class: 'tree-clock muted' });
    this.slices = h('select', {
      'aria-label': 'Slice', hidden: true,
      on: {
        change: () => {
          this.slice = Number(this.slices.value);
          this.take(this.timeline);
        },
      },
    });
    this.key = h('ul', { class: 'tree-key', 'aria-label': 'Workers' });
    this.summary = h('p', { class: 'muted small' });
    this.words = h('p', { class: 'empty' });
    this.body = h('div', { hidden: true }, this.svg,
      h('div', { class: 'tree-tools' }, this.play, this.scrub, this.clock),
      this.key, this.summary);
    this.element = h('section', { class: 'panel', 'aria-label': 'The gradient tree' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'The gradient tree'), this.title,
        h('div', { class: 'end' }, this.slices)),
      this.words, this.body);
    this.playing = !prefersStill();
    setText(this.play, this.playing ? 'Pause' : 'Play');
  }

  /** Says why there is nothing to see. */
  say(text) {
    cancelAnimationFrame(this.frame);
    this.shown = null;
    this.timeline = null;
    this.body.hidden = true;
    this.words.hidden = false;
    setText(this.words, text);
    setText(this.title, '');
  }

  /** Who owns which micro-batches: the colours of leaves that have not arrived. */
  know(shares) {
    this.shares = shares;
  }

  take(timeline) {
    this.timeline = timeline;
    this.offerSlices(timeline);
    const tree = this.choose(timeline);
    if (!tree) {
      if (!this.shown) {
        this.say('No step has been folded yet.');
        this.timeline = timeline;
      }

      return;
    }

    this.words.hidden = true;
    this.body.hidden = false;
    const isNew = !this.shown || this.shown.slice !== tree.slice
      || this.shown.step !== tree.step || this.shown.whole !== tree.whole
      || this.shown.arrivals.length !== tree.arrivals.length;
    // What is being replayed is finished first; what stands still gives way at once.
    const isBusy = this.isRunning && tree.whole !== null && this.shown?.slice === tree.slice;
    if (isNew && !isBusy) {
      this.start(tree);
    }
  }

  /** The newest step that is whole, but one that waits where the run stands. */
  choose({ trees, taken }) {
    const ours = trees.filter((tree) => tree.slice === this.slice && tree.arrivals.length > 0)
      .sort((one, other) => other.step - one.step);
    const newest = ours[0];
    if (taken !== this.taken) {
      // It stands where the same step was not whole the last time either.
      const waits = newest?.whole === null ? newest.step : null;
      this.stands = waits !== null && waits === this.waits;
      this.waits = waits;
      this.taken = taken;
    }

    return this.stands ? newest : ours.find((tree) => tree.whole !== null) ?? newest;
  }

  offerSlices({ trees }) {
    const slices = [...new Set(trees.map((tree) => tree.slice))].sort((a, b) => a - b);
    const signature = slices.join();
    if (signature !== this.sliceSignature) {
      this.sliceSignature = signature;
      if (slices.length > 0 && !slices.includes(this.slice)) {
        [this.slice] = slices;
      }

      replace(this.slices, slices.map((slice) =>
        h('option', { value: String(slice) }, `slice ${slice}`)));
      this.slices.value = String(this.slice);
      this.slices.hidden = slices.length < 2;
    }
  }

  start(tree) {
    this.shown = tree;
    const { microBatches } = this.timeline;
    if (this.drawnFor !== microBatches) {
      this.drawnFor = microBatches;
      this.draw(treeOf(microBatches, MOST_LEAVES));
    }

    this.state = wholeness(this.tree, tree.arrivals);
    this.shareShown = null;
    const times = tree.arrivals.map((arrival) => arrival.at);
    this.from = Math.min(...times, this.beginOf(tree.step));
    this.to = Math.max(...times, tree.whole ?? -Infinity);
    this.colourLeaves();
    this.describe();
    if (this.playing && tree.whole !== null) {
      this.showAt(0);
      this.replay();
    } else {
      cancelAnimationFrame(this.frame);
      this.isRunning = false;
      this.showAt(1);
    }
  }

  beginOf(step) {
    const begins = this.timeline.workers.flatMap((worker) => worker.spans)
      .filter((span) => span.step === step && span.kind === 'compute').map((span) => span.begin);
    return begins.length > 0 ? Math.min(...begins) : Infinity;
  }

  replay() {
    cancelAnimationFrame(this.frame);
    const begin = performance.now();
    this.isRunning = true;
    let drawnAt = -Infinity;
    const next = (now) => {
      const share = Math.min(1, Math.max(0, (now - begin) / PLAY_MS));
      if (now - drawnAt >= FRAME_MS && this.shareShown !== share) {
        drawnAt = now;
        this.showAt(share);
      }

      if (now - begin < PLAY_MS + HOLD_MS) {
        this.frame = requestAnimationFrame(next);
      } else {
        this.isRunning = false;
        if (this.timeline) {
          this.take(this.timeline);
        }
      }
    };
    this.frame = requestAnimationFrame(next);
  }

  toggle() {
    this.setPlaying(!this.playing);
    if (this.playing && this.shown) {
      this.replay();
    }
  }

  setPlaying(isPlaying) {
    this.playing = isPlaying;
    setText(this.play, isPlaying ? 'Pause' : 'Play');
    if (!isPlaying) {
      cancelAnimationFrame(this.frame);
      this.isRunning = false;
    }
  }

  draw(tree) {
    this.tree = tree;
    const leaves = tree.levels[0].length;
    const width = Math.max(360, Math.min(1080, leaves * 44));
    const height = (tree.levels.length - 1) * LEVEL + 2 * MARGIN;
    const radius = Math.min(13, (width / leaves) * 0.4);
    const places = new Map();
    tree.levels[0].forEach((node, index) =>
      places.set(node, [((index + 0.5) * width) / leaves, height - MARGIN]));
    for (const node of tree.levels.slice(1).flat()) {
      const xs = node.children.map((child) => places.get(child)[0]);
      places.set(node, [(xs[0] + xs.at(-1)) / 2, height - MARGIN - node.level * LEVEL]);
    }

    this.nodes = new Map();
    this.edges = new Map();
    const edges = tree.levels.flat().flatMap((node) => node.children.map((child) => {
      const [[fromX, fromY], [toX, toY]] = [places.get(child), places.get(node)];
      const edge = svg('path', {
        class: 'tree-edge',
        d: `M${fromX} ${fromY}C${fromX} ${(fromY + toY) / 2} ${toX} ${(fromY + toY) / 2} ${toX}`
          + ` ${toY}`,
      });
      this.edges.set(child, edge);
      return edge;
    }));
    const circles = tree.levels.flat().map((node) => {
      const [x, y] = places.get(node);
      const circle = svg('circle', {
        class: node.level === 0 ? 'tree-node tree-leaf' : 'tree-node', cx: x, cy: y,
        r: node.level === 0 ? radius : Math.max(radius * 0.8, 5),
      }, svg('title', {}));
      this.nodes.set(node, circle);
      return circle;
    });
    const isNumbered = leaves <= MOST_NUMBERED && tree.unit === 1;
    this.labels = new Map(!isNumbered ? [] : tree.levels[0].map((node) => {
      const [x, y] = places.get(node);
      return [node, svg('text', { class: 'tree-label', x, y: y + 3.5 }, String(node.first))];
    }));
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    replace(this.svg, edges, circles, [...this.labels.values()]);
  }

  colourLeaves() {
    const owner = (first) =>
      this.shares.find((share) => first >= share.range.first && first < share.range.end)?.node;
    for (const [node, circle] of this.nodes) {
      const found = this.state.get(node);
      const by = found.by ?? (node.level === 0 ? owner(node.first) : null);
      circle.style.setProperty('--swatch', by ? `var(${this.palette.of(by)})` : 'var(--text)');
      this.edges.get(node)?.style
        .setProperty('--swatch', by ? `var(${this.palette.of(by)})` : 'var(--text)');
      circle.classList.toggle('sent', found.isSent);
      const what = node.end - node.first === 1 ? 'micro-batch' : 'micro-batches';
      const when = found.at === Infinity ? 'not whole yet'
        : `whole after ${duration(found.at - this.from)}`;
      setText(circle.firstElementChild, `${what} ${range(node.first, node.end)}: ${when}`
        + (by ? `, ${nodeName(by)}` : ', folded by the server'));
    }
  }

  /** Lights what is whole at a share of the step's time. */
  showAt(share) {
    this.shareShown = share;
    const now = share >= 1 ? Infinity : this.from + (this.to - this.from) * share;
    for (const [node, circle] of this.nodes) {
      const { at } = this.state.get(node);
      const isWhole = at <= now && at !== Infinity;
      circle.classList.toggle('whole', isWhole);
      this.edges.get(node)?.classList.toggle('whole', isWhole);
      this.labels.get(node)?.classList.toggle('whole', isWhole);
    }

    const root = this.nodes.get(this.tree.levels.at(-1)[0]);
    root.classList.toggle('root', root.classList.contains('whole'));
    this.scrub.value = String(Math.round(share * FRAME_STEPS));
    setText(this.clock, `+${duration((this.to - this.from) * share)}`);
  }

  describe() {
    const { step, slice, arrivals, whole } = this.shown;
    const { microBatches } = this.timeline;
    const workers = [...new Set(arrivals.map((arrival) => arrival.worker))].sort();
    const last = arrivals.reduce((one, other) => (other.at > one.at ? other : one));
    const gone = missing(microBatches, arrivals);
    setText(this.title, `step ${count(step)}`);
    const owners = this.shares.filter((share) => gone.some(([first, end]) =>
      share.range.first < end && share.range.end > first)).map((share) => nodeName(share.node));
    const text = whole === null && gone.length > 0
      ? `Step ${count(step)} waits for micro-batches`
        + ` ${gone.map(([first, end]) => range(first, end)).join(', ')}`
        + `${owners.length > 0 ? ` of ${owners.join(', ')}` : ''}.`
      : `${counted(microBatches, 'micro-batch').replace('batchs', 'batches')} from`
        + ` ${counted(workers.length, 'worker')} in ${counted(arrivals.length, 'push')
          .replace('pushs', 'pushes')}; the last came from ${nodeName(last.worker)} after`
        + ` ${duration(last.at - this.from)}`
        + `${whole === null ? '' : `, and the gradient was whole after`
        + ` ${duration(whole - this.from)}`}.`;
    setText(this.summary, text);
    this.svg.setAttribute('aria-label', `Gradient tree of step ${step}, slice ${slice}. ${text}`);
    replace(this.key, workers.map((worker) => h('li', {},
      h('span', { class: 'swatch', style: { '--swatch': `var(${this.palette.of(worker)})` } }),
      nodeName(worker))),
    h('li', {}, h('span', { class: 'swatch', style: { '--swatch': 'var(--text)' } }),
      'folded by the server'));
  }
}
