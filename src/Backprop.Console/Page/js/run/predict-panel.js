// What the trained network makes of a sample that one draws, types or has in a file.

import { get, path, post, Refusal } from '../api.js';
import { h, replace } from '../dom.js';
import { counted, percent, value } from '../format.js';
import { DigitPad } from './digit-pad.js';
import { samplesOf } from './rows.js';

const SIZES = [8, 12, 16, 20, 24, 28, 32];
// Full ink: the digits that come with the program go to 16, images of bytes to 255.
const INKS = [1, 16, 255];

export class PredictPanel {
  constructor(id) {
    this.id = id;
    this.abort = new AbortController();
    this.element = h('section', { class: 'panel', 'aria-label': 'Predict', hidden: true });
  }

  show({ model }) {
    if (model && this.element.hidden) {
      this.element.hidden = false;
      this.build();
      this.learnInput();
    }
  }

  end() {
    this.abort.abort();
    this.pad?.end();
  }

  build() {
    this.pad = new DigitPad(() => this.predictDrawing());
    this.size = select('Pixels', SIZES, (size) => `${size} × ${size}`, (size) => {
      this.pad.setSize(size);
      this.hint();
    });
    this.ink = select('Full ink', INKS, String, () => this.predictDrawing());
    this.ink.value = '16';
    this.answer = h('div', { class: 'prediction', 'aria-live': 'polite' });
    this.row = h('textarea', {
      rows: '5', wrap: 'off', 'aria-label': 'Rows of features',
      spellcheck: 'false', class: 'mono',
    });
    const file = h('input', {
      type: 'file', accept: '.csv,.txt,text/csv,text/plain', class: 'visually-hidden',
      on: {
        change: async () => {
          const [chosen] = file.files;
          if (chosen) {
            this.row.value = await chosen.text();
            await this.predictRows();
          }

          file.value = '';
        },
      },
    });
    this.drawing = h('div', { class: 'predict-draw' }, this.pad.canvas,
      h('div', { class: 'predict-tools' },
        h('label', { class: 'field-row' }, 'Pixels', this.size),
        h('label', { class: 'field-row' }, 'Full ink', this.ink),
        h('button', {
          type: 'button', class: 'button small-button',
          on: {
            click: () => {
              this.pad.clear();
              this.hint();
            },
          },
        }, 'Clear')));
    this.typing = h('div', { class: 'predict-row', hidden: true },
      h('p', { class: 'muted small' },
        'A row a sample, its features as the data had them, before any normalization.'),
      this.row,
      h('div', { class: 'predict-tools' },
        h('button', {
          type: 'button', class: 'button button-primary', on: { click: () => this.predictRows() },
        }, 'Predict'),
        h('label', { class: 'file-button' }, 'Open a CSV file…', file)));
    const modes = [['Draw', this.drawing], ['Enter rows', this.typing]];
    this.modes = modes.map(([text, part]) => h('button', {
      type: 'button', class: 'button small-button',
      'aria-pressed': String(part === this.drawing),
      on: { click: () => this.choose(part) },
    }, text));
    this.parts = modes.map(([, part]) => part);
    replace(this.element,
      h('div', { class: 'panel-head' }, h('h2', {}, 'Predict'),
        h('div', { class: 'end', role: 'group', 'aria-label': 'Sample' }, this.modes)),
      h('div', { class: 'predict' }, h('div', {}, this.parts), this.answer));
  }

  hint() {
    replace(this.answer, h('p', { class: 'muted' }, this.typing.hidden
      ? 'Draw something: what the network takes it for is shown here.'
      : 'What the network makes of the rows is shown here.'));
  }

  choose(part) {
    this.parts.forEach((one, index) => {
      one.hidden = one !== part;
      this.modes[index].setAttribute('aria-pressed', String(one === part));
    });
    this.hint();
  }

  /** What the network takes: a square is drawn, anything else is entered. */
  async learnInput() {
    const { shape, featureNames } = await get(this.address, { signal: this.abort.signal });
    const side = sideOf(shape);
    this.modes[0].hidden = side === null;
    this.choose(side === null ? this.typing : this.drawing);
    if (side !== null) {
      if (!SIZES.includes(side)) {
        this.size.append(h('option', { value: String(side) }, `${side} × ${side}`));
      }

      this.size.value = String(side);
      this.size.disabled = true;
      this.ink.value = side === 8 ? '16' : '255';
      this.pad.setSize(side);
    }

    const features = shape.reduce((product, one) => product * one, 1);
    this.row.placeholder = `${counted(features, 'number')}, and as many rows as you like`;
    if (featureNames.length > 0) {
      this.row.value = `${featureNames.join(',')}\n`;
    }
  }

  get address() {
    return path('runs', this.id, 'predict');
  }

  predictDrawing() {
    return this.pad.ink.isEmpty
      ? this.hint()
      : this.predict([{ features: this.pad.ink.features(Number(this.ink.value)) }]);
  }

  predictRows() {
    let samples;
    try {
      samples = samplesOf(this.row.value);
    } catch (failure) {
      if (!(failure instanceof SyntaxError)) {
        throw failure;
      }

      replace(this.answer, h('p', { class: 'note note-bad' }, failure.message));
      return null;
    }

    return this.predict(samples);
  }

  async predict(samples) {
    const mine = this.asked = {};
    const found = [];
    try {
      for (const sample of samples) {
        found.push(await post(this.address, { json: sample, signal: this.abort.signal }));
        if (mine !== this.asked) {
          return;
        }
      }
    } catch (failure) {
      if (!(failure instanceof Refusal)) {
        throw failure;
      }

      const row = samples.length > 1 ? `row ${found.length + 1}: ` : '';
      replace(this.answer, h('p', { class: 'note note-bad' }, row + failure.message));
      return;
    }

    replace(this.answer, found.length === 1 ? onePrediction(found[0]) : predictionTable(found));
  }
}

/** The side of a picture of one channel; null: it is none that one could draw. */
function sideOf(shape) {
  const [one, other] = shape.filter((length) => length !== 1);
  return shape.filter((length) => length !== 1).length === 2 && one === other ? one : null;
}

function onePrediction(prediction) {
  if (prediction.outputs) {
    return Object.entries(prediction.outputs).map(([name, one]) =>
      [h('h3', {}, name), onePrediction(one)]);
  }

  const isClass = prediction.class !== null && prediction.class !== undefined;
  const hasShares = isClass && prediction.probability !== null
    && prediction.probability !== undefined;
  const rows = hasShares
    ? [...prediction.values].sort((one, other) => other.value - one.value).slice(0, 10)
    : prediction.values;
  return [
    isClass ? h('p', { class: 'prediction-class' }, h('strong', {}, prediction.class),
      hasShares ? h('span', { class: 'muted' }, percent(prediction.probability)) : null) : null,
    h('ul', { class: 'prediction-bars' }, rows.map((one) => h('li', {},
      h('span', { class: 'prediction-name' }, one.name),
      hasShares ? bar(one.value) : null,
      h('span', { class: 'prediction-value' },
        hasShares ? percent(one.value) : value(one.value, 6))))),
  ];
}

function bar(share) {
  const fill = h('i', { style: { '--share': `${(share * 100).toFixed(2)}%` } });
  return h('div', { class: 'bar', 'aria-hidden': 'true' }, fill);
}

function predictionTable(found) {
  return h('table', { class: 'table' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Row'),
      h('th', { scope: 'col' }, 'Prediction'), h('th', { scope: 'col', class: 'num' }, ''))),
    h('tbody', {}, found.map((one, index) => h('tr', {},
      h('th', { scope: 'row' }, String(index + 1)),
      h('td', {}, predictionText(one)),
      h('td', { class: 'num' },
        typeof one.probability === 'number' ? percent(one.probability) : '')))));
}

function predictionText(one) {
  return one.outputs
    ? Object.entries(one.outputs).map(([name, own]) =>
      `${name}: ${predictionText(own)}`).join('; ')
    : one.class ?? one.values.map((each) => `${each.name} ${value(each.value, 6)}`).join(', ');
}

function select(label, values, text, onChange) {
  const element = h('select', {
    'aria-label': label, on: { change: () => onChange(Number(element.value)) },
  }, values.map((one) => h('option', { value: String(one) }, text(one))));
  return element;
}
