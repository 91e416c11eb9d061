// What a run came to.

import { path } from '../api.js';
import { h, replace } from '../dom.js';
import { bytes, count, duration, percent, sentence, spanSeconds, value } from '../format.js';
import { confusionTable } from './confusion-table.js';

const SETS = [['test', 'Test'], ['validation', 'Validation']];

export class ResultPanel {
  constructor(id) {
    this.id = id;
    this.element = h('section', { class: 'panel result', 'aria-label': 'Result', hidden: true });
  }

  show({ result, model }) {
    if (!result || result.weightsSha256 === this.shown && (model?.sha256 === this.modelShown)) {
      return;
    }

    this.shown = result.weightsSha256;
    this.modelShown = model?.sha256;
    this.element.hidden = false;
    const sets = SETS.filter(([key]) => result[key]);
    this.metrics = h('div', { class: 'stack' });
    const choice = sets.length < 2 ? null : h('div', { class: 'end', role: 'group',
      'aria-label': 'Samples' }, sets.map(([key, name]) => h('button', {
      type: 'button', class: 'button small-button', 'aria-pressed': String(key === sets[0][0]),
      on: {
        click: (event) => {
          for (const button of choice.children) {
            button.setAttribute('aria-pressed', String(button === event.currentTarget));
          }

          this.showSet(name, result[key]);
        },
      },
    }, name)));
    replace(this.element,
      h('div', { class: 'panel-head' }, h('h2', {}, 'Result'), choice),
      this.metrics,
      h('dl', { class: 'facts' },
        fact('Best metric', value(result.bestMetric),
          result.bestEpoch === null ? '' : `in epoch ${count(result.bestEpoch + 1)}`),
        fact('Weights are of', result.finalIsBest ? 'the best epoch' : 'the last step'),
        fact('Steps', count(result.steps), `${count(result.epochs)} epochs`),
        fact('Trained for', duration(spanSeconds(result.elapsed))),
        fact('Samples per second', count(result.samplesPerSecond))),
      h('p', { class: 'digest' }, h('span', { class: 'muted' }, 'Weights, SHA-256 '),
        h('code', {}, result.weightsSha256), copyButton(result.weightsSha256)),
      result.notes.map((note) => h('p', { class: 'note' }, sentence(note))),
      model ? h('p', {}, h('a', {
        class: 'button button-primary', href: path('runs', this.id, 'model'),
        download: `${this.id}.bpm`,
      }, `Download the model (${bytes(model.bytes)})`)) : null);
    if (sets.length > 0) {
      this.showSet(sets[0][1], result[sets[0][0]]);
    }
  }

  showSet(name, metrics) {
    replace(this.metrics, scores(name, metrics), (metrics.outputs ?? []).map((output) => [
      h('h3', {}, `Output ${output.name}`), scores(name, output.metrics),
    ]));
  }
}

// Of the whole, or of one of several outputs.
function scores(name, { rows, loss, perplexity, classification, regression }) {
  return [
    h('dl', { class: 'facts' },
      classification ? [
        fact(`${name} accuracy`, percent(classification.accuracy, 2)),
        perplexity ? fact('Perplexity', value(perplexity))
          : fact('Macro F1', value(classification.macroF1)),
      ] : [],
      regression ? [
        fact(`${name} R²`, value(regression.r2)),
        fact('Mean absolute error', value(regression.meanAbsoluteError)),
        fact('Root mean squared error', value(regression.rootMeanSquaredError)),
      ] : [],
      fact(`${name} loss`, value(loss)), fact('Samples', count(rows))),
    classification && !perplexity ? h('div', { class: 'result-classes' },
      h('div', {}, h('h3', {}, 'Confusion'), confusionTable(classification.confusion)),
      h('div', {}, h('h3', {}, 'By class'), classTable(classification.classes))) : null,
    regression ? targetTable(regression.targets) : null,
  ];
}

function fact(name, main, more) {
  return h('div', {}, h('dt', {}, name),
    h('dd', {}, main, more ? [' ', h('small', {}, more)] : null));
}

function classTable(classes) {
  const column = (text) => h('th', { scope: 'col', class: 'num' }, text);
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': 'Scores by class' }, h('table', { class: 'table classes' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Class'),
      column('Precision'), column('Recall'), column('F1'), column('Samples'))),
    h('tbody', {}, classes.map((one) => h('tr', {}, h('th', { scope: 'row' }, one.name),
      [one.precision, one.recall, one.f1].map((score) =>
        h('td', { class: 'num' }, percent(score))),
      h('td', { class: 'num' }, count(one.support)))))));
}

function targetTable(targets) {
  const column = (text) => h('th', { scope: 'col', class: 'num' }, text);
  return h('div', { class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': 'Scores by target' }, h('table', { class: 'table' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Target'), column('R²'),
      column('Mean absolute error'), column('Root mean squared error'))),
    h('tbody', {}, targets.map((one) => h('tr', {}, h('th', { scope: 'row' }, one.name),
      [one.r2, one.meanAbsoluteError, one.rootMeanSquaredError].map((score) =>
        h('td', { class: 'num' }, value(score))))))));
}

function copyButton(text) {
  // Without HTTPS a page may not write to the clipboard: the text can still be selected.
  return navigator.clipboard ? h('button', {
    type: 'button', class: 'button small-button',
    on: {
      click: async (event) => {
        const button = event.currentTarget;
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      },
    },
  }, 'Copy') : null;
}
