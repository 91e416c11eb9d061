// The checkpoints that are kept, and the trained model.

import { path } from '../api.js';
import { h, replace } from '../dom.js';
import { ago, bytes, count, time } from '../format.js';

export class CheckpointsPanel {
  constructor(id) {
    this.id = id;
    this.content = h('div', { class: 'scroll' });
    this.element = h('section', { class: 'panel', 'aria-label': 'Checkpoints' },
      h('div', { class: 'panel-head' }, h('h2', {}, 'Checkpoints')), this.content);
  }

  show({ checkpoints }) {
    const signature = JSON.stringify(checkpoints);
    if (signature === this.signature) {
      return;
    }

    this.signature = signature;
    replace(this.content, checkpoints.length === 0
      ? h('p', { class: 'muted' }, 'None is committed yet.')
      : h('table', { class: 'table' },
        h('thead', {}, h('tr', {},
          h('th', { scope: 'col' }, 'Version'), h('th', { scope: 'col' }, 'Epoch'),
          h('th', { scope: 'col', class: 'num' }, 'Size'),
          h('th', { scope: 'col', class: 'num' }, 'Committed'))),
        h('tbody', {}, checkpoints.map((one) => this.row(one)))));
  }

  row({ version, committed, bytes: size, epoch, hasBest }) {
    return h('tr', {},
      h('th', { scope: 'row' }, h('a', {
        href: path('runs', this.id, 'checkpoints', String(version)),
        download: `${this.id}-${version}.checkpoint`,
      }, h('span', { class: 'visually-hidden' }, 'Download version '), count(version))),
      h('td', { class: 'checkpoint-epoch' }, count(epoch + 1),
        hasBest ? h('span', { class: 'muted small' }, ' with best') : null),
      h('td', { class: 'num' }, bytes(size)),
      h('td', { class: 'num', title: time(committed) }, ago(committed)));
  }
}
