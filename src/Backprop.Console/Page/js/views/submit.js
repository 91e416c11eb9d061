// Hands a run in: an editor that says what is wrong while one types.

import { get, path, post, Refusal, uniqueKey } from '../api.js';
import { announce } from '../banners.js';
import { h, replace, setText } from '../dom.js';
import { counted } from '../format.js';
import { Editor } from '../editor/editor.js';
import { runAddress } from '../routes.js';
import { mayChange } from '../session.js';

const PAUSE_MS = 350;
const DRAFT = 'backprop-draft';
const MOST_DRAFT = 200_000;
const NOTHING = 'Nothing to check yet.';

export function mount(main, route) {
  const view = new SubmitView(main, route.query.get('from'));
  view.start();
  return () => view.end();
}

class SubmitView {
  constructor(main, from) {
    this.main = main;
    this.from = from;
    this.abort = new AbortController();
    this.examples = [];
    this.key = null;
  }

  async start() {
    if (!mayChange()) {
      replace(this.main, h('div', { class: 'head' }, h('h1', {}, 'Submit a run')),
        h('p', { class: 'note' }, 'You are logged in as a viewer, who may look at runs but not'
          + ' submit any. An operator’s token may.'));
      return;
    }

    this.build();
    const draft = readDraft();
    if (this.from !== null) {
      const text = await get(
        path('runs', this.from, 'specification'), { signal: this.abort.signal, text: true });
      this.take(text);
    } else if (draft) {
      this.take(draft);
    }

    const answer = await get(path('specifications', 'examples'), { signal: this.abort.signal });
    this.examples = answer.examples ?? answer;
    replace(this.choice,
      h('option', { value: '' }, 'Start from an example…'),
      this.examples.map((one, index) => h('option', { value: String(index) }, one.name)));
    if (this.editor.text === '' && this.examples.length > 0) {
      const first = this.examples.find((one) => one.name === 'digits') ?? this.examples[0];
      this.take(first.text);
    }
  }

  end() {
    clearTimeout(this.timer);
    this.abort.abort();
    this.validation?.abort();
  }

  build() {
    this.editor = new Editor({
      label: 'Specification of the run, in HOCON',
      describedBy: 'verdict',
      onInput: (text) => this.changed(text),
      onSubmit: () => this.submit(),
    });
    this.choice = h('select', {
      'aria-label': 'Start from an example',
      on: {
        change: () => {
          const example = this.examples[Number(this.choice.value)];
          if (this.choice.value !== '' && example) {
            this.take(example.text);
          }

          this.choice.value = '';
        },
      },
    }, h('option', {}, 'Loading examples…'));
    this.priority = h('input', {
      type: 'number', value: '0', step: '1', id: 'priority',
      on: { input: () => { this.key = null; } },
    });
    this.verdict = h('p', { class: 'note', id: 'verdict', role: 'status' }, NOTHING);
    this.mistakes = h('ul', { class: 'mistakes', 'aria-label': 'Mistakes' });
    this.send = h('button', {
      type: 'button', class: 'button button-primary', on: { click: () => this.submit() },
    }, 'Submit the run');
    const file = h('input', {
      type: 'file', accept: '.conf,.hocon,.json,text/plain', class: 'visually-hidden',
      on: { change: () => this.open(file) },
    });
    replace(this.main,
      h('div', { class: 'head' }, h('h1', {}, 'Submit a run')),
      h('div', { class: 'submit' },
        h('div', { class: 'panel' },
          h('div', { class: 'submit-tools' }, this.choice,
            h('label', { class: 'file-button' }, 'Open a file…', file)),
          this.editor.element),
        h('aside', { class: 'submit-side', 'aria-label': 'Check and submit' },
          h('div', { class: 'panel stack' },
            this.verdict, this.mistakes,
            h('label', { class: 'field', for: 'priority' },
              'Priority: a higher one goes first', this.priority),
            this.send,
            h('p', { class: 'muted small' },
              'Ctrl+Enter submits. What is computed depends on this text alone, not on the nodes'
              + ' that compute it: the same text gives the same weights, to the last bit.')))));
  }

  async open(file) {
    const [chosen] = file.files;
    if (chosen) {
      this.take(await chosen.text());
    }

    file.value = '';
  }

  take(text) {
    this.editor.text = text;
    this.changed(text);
  }

  changed(text) {
    this.key = null;
    keepDraft(text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.validate(text), PAUSE_MS);
  }

  async validate(text) {
    this.validation?.abort();
    const validation = this.validation = new AbortController();
    if (text.trim() === '') {
      this.showVerdict('', NOTHING, []);
      return;
    }

    try {
      const answer = await post(
        path('specifications', 'validate'), { text, signal: validation.signal });
      if (answer.isValid) {
        this.showVerdict('good', `Right: this is the run “${answer.name}”.`, []);
      } else {
        this.showMistakes(answer.errors);
      }
    } catch (failure) {
      if (failure instanceof Refusal) {
        this.showVerdict('warn', `It cannot be checked: ${failure.message}.`, failure.mistakes);
      } else if (failure.name !== 'AbortError') {
        throw failure;
      }
    }
  }

  async submit() {
    clearTimeout(this.timer);
    this.validation?.abort();
    this.send.disabled = true;
    setText(this.send, 'Submitting…');
    // The same key until something changes: pressing twice hands nothing in twice.
    this.key ??= uniqueKey();
    try {
      const priority = Math.trunc(Number(this.priority.value)) || 0;
      const { id } = await post(`${path('runs')}?priority=${priority}`, {
        text: this.editor.text, headers: { 'Idempotency-Key': this.key },
        signal: this.abort.signal,
      });
      keepDraft('');
      announce(`Run ${id} is submitted`);
      location.hash = runAddress(id);
    } catch (failure) {
      if (!(failure instanceof Refusal)) {
        throw failure;
      }

      if (failure.mistakes.length > 0) {
        this.showMistakes(failure.mistakes);
      } else {
        this.showVerdict('bad', `Not submitted: ${failure.message}`, []);
      }
    } finally {
      this.send.disabled = false;
      setText(this.send, 'Submit the run');
    }
  }

  showMistakes(mistakes) {
    this.showVerdict('bad', `${counted(mistakes.length, 'mistake')}.`, mistakes);
  }

  showVerdict(kind, text, mistakes) {
    this.verdict.setAttribute('class', kind ? `note note-${kind}` : 'note');
    setText(this.verdict, text);
    this.editor.mark(mistakes);
    replace(this.mistakes, mistakes.map((mistake) => {
      const hasPlace = mistake.line > 0;
      const place = hasPlace ? `${mistake.line}:${mistake.column ?? 1}` : '';
      const words = [h('span', { class: 'mono' }, place), h('code', {}, mistake.path ?? '')];
      return h('li', {},
        hasPlace
          ? h('button', {
            type: 'button', class: 'link-button', on: { click: () => this.editor.goTo(mistake) },
          }, h('span', { class: 'visually-hidden' }, 'Go to line '), words)
          : words,
        h('p', {}, mistake.message));
    }));
    this.mistakes.hidden = mistakes.length === 0;
  }
}

function readDraft() {
  try {
    return localStorage.getItem(DRAFT);
  } catch {
    // Storage is barred: nothing was kept.
    return null;
  }
}

function keepDraft(text) {
  try {
    if (text === '' || text.length > MOST_DRAFT) {
      localStorage.removeItem(DRAFT);
    } else {
      localStorage.setItem(DRAFT, text);
    }
  } catch {
    // Storage is barred or full: the text is not kept for the next visit.
  }
}
