// The nodes: what they are for, whether they are there, what they work for and how fast.

import { h, replace } from '../dom.js';
import { bytes, count, duration, nodeName, number, range } from '../format.js';
import { runAddress } from '../routes.js';
import { shareStrip } from '../run/workers-panel.js';

const COLUMNS = ['Node', 'State', 'Roles', 'Processor', 'Share and speed', 'Links', 'Runs'];

export class NodesPanel {
  constructor(palette) {
    this.palette = palette;
    this.body = h('tbody', { role: 'rowgroup' });
    this.count = h('span', { class: 'muted' });
    this.runs = [];
    this.flows = new Map();
    this.element = h('section', { class: 'panel', 'aria-label': 'Nodes' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'Nodes'), this.count),
      h('table', { class: 'table nodes', role: 'table', 'aria-label': 'Nodes' },
        h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, COLUMNS.map((name) =>
          h('th', { role: 'columnheader', scope: 'col' }, name)))),
        this.body));
  }

  show(cluster) {
    this.cluster = cluster;
    this.draw();
  }

  /** The runs in full, which have the shares. */
  know(runs) {
    this.runs = runs;
    this.draw();
  }

  /** What went over links since the timeline before. */
  flow({ taken, links = [] }) {
    const at = Date.parse(taken);
    for (const { node, sent, received } of links) {
      const before = this.flows.get(node);
      const seconds = before ? (at - before.at) / 1000 : 0;
      const rate = (now, then) => (seconds > 0 && now >= then ? (now - then) / seconds : null);
      this.flows.set(node, {
        at, sent, received,
        out: before ? rate(sent, before.sent) : null,
        in: before ? rate(received, before.received) : null,
      });
    }

    this.draw();
  }

  /** Brings a node into sight. */
  point(address) {
    const row = [...this.body.children].find((one) => one.dataset.node === address);
    row?.scrollIntoView({ block: 'center' });
    row?.classList.remove('pointed');
    requestAnimationFrame(() => row?.classList.add('pointed'));
    row?.focus();
  }

  draw() {
    const { cluster } = this;
    if (!cluster) {
      return;
    }

    const shares = this.sharesByNode();
    const flows = [...this.flows].map(([node, { out, in: into }]) => [node, out, into]);
    const signature = JSON.stringify([cluster, [...shares], flows]);
    if (signature !== this.signature) {
      this.signature = signature;
      const focused = document.activeElement?.dataset?.node;
      const nodes = [...cluster.nodes].sort((one, other) => rank(one) - rank(other)
        || one.address.localeCompare(other.address, 'en', { numeric: true }));
      const up = nodes.filter((node) => node.status === 'up').length;
      replace(this.count, `${count(up)} of ${count(nodes.length)} up`);
      replace(this.body, nodes.map((node) => this.row(node, cluster, shares)));
      if (focused) {
        [...this.body.children].find((one) => one.dataset.node === focused)?.focus();
      }
    }
  }

  sharesByNode() {
    const shares = new Map();
    for (const run of this.runs) {
      for (const { node, range: part, secondsPerMicroBatch } of run.workers) {
        const seconds = number(secondsPerMicroBatch);
        shares.set(node, [...shares.get(node) ?? [], {
          run: run.summary.id, all: run.microBatches, first: part.first, end: part.end,
          seconds: Number.isFinite(seconds) ? Number(seconds.toPrecision(3)) : null,
        }]);
      }
    }

    return shares;
  }

  row({ description, address, status, runs }, cluster, shares) {
    const { node, roles, threads, processor, softwareVersion } = description;
    const none = () => h('span', { class: 'muted node-none' }, '–');
    const cell = (name, ...children) => h('td', {
      role: 'cell', class: `node-${name}`,
    }, children);
    return h('tr', { role: 'row', tabindex: '-1', dataset: { node: nodeName(node) } },
      h('th', { role: 'rowheader', scope: 'row', class: 'node-name' },
        h('span', { class: 'swatch',
          style: { '--swatch': `var(${this.palette.of(node)})` } }),
        h('span', {}, address || nodeName(node))),
      cell('status', h('span', { class: 'chip', dataset: {
        tone: status === 'up' ? 'good' : status === 'unreachable' ? 'bad' : 'warn',
      } }, status)),
      cell('roles', rolesOf(roles).map((role) => h('span', { class: 'tag' }, role)),
        node === cluster.coordinator
          ? h('span', { class: 'tag tag-on' }, 'coordinates now') : null),
      cell('processor', h('span', {}, processor),
        h('span', { class: 'muted small' },
          `${count(threads)} thread${threads === 1 ? '' : 's'} · ${softwareVersion}`)),
      cell('share', (shares.get(node) ?? []).map((share) => this.share(share)),
        shares.has(node) ? null : none()),
      cell('links', this.links(node) ?? none()),
      cell('runs', runs.length === 0 ? none()
        : runs.map((run) => h('a', { href: runAddress(run) }, run))));
  }

  links(node) {
    const flow = this.flows.get(node);
    return !flow || flow.out === null ? null
      : h('span', { class: 'small' }, `${bytes(flow.out)}/s out, ${bytes(flow.in)}/s in`);
  }

  share({ run, all, first, end, seconds }) {
    const text = end > first
      ? `${end - first} of ${all} (${range(first, end)})` : 'observes';
    return h('div', { class: 'node-share-line', title: run },
      end > first ? shareStrip(first, end, all) : null,
      h('span', { class: 'small' }, text,
        seconds === null ? '' : h('span', { class: 'muted' }, ` ${duration(seconds)} each`)));
  }
}

function rank({ description }) {
  return rolesOf(description.roles).includes('coordinator') ? 0 : 1;
}

function rolesOf(roles) {
  return String(roles).split(',').map((role) => role.trim()).filter((role) => role !== 'none');
}
