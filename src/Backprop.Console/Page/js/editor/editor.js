// A text field with line numbers, colours and marks at mistakes. The field itself is a plain
// <textarea>, so keys, screen readers, undo and phones' keyboards work as everywhere; the colours
// lie beneath it.

import { h, replace } from '../dom.js';
import { tokens } from './tokens.js';

// Beyond this colours would make typing slow; the text is then shown plain.
const MOST_COLOURED = 60_000;

export class Editor {
  /** `onInput(text)` at every change; `onSubmit()` at Ctrl+Enter. */
  constructor({ label, describedBy, onInput, onSubmit }) {
    this.mistakes = [];
    this.field = h('textarea', {
      'aria-label': label, 'aria-describedby': describedBy, spellcheck: 'false', wrap: 'off',
      autocapitalize: 'off', autocomplete: 'off', autocorrect: 'off',
      on: {
        input: () => {
          this.draw();
          onInput(this.text);
        },
        scroll: () => this.follow(),
        keydown: (event) => this.onKey(event, onSubmit),
      },
    });
    this.lines = h('div', { class: 'editor-lines', 'aria-hidden': 'true' });
    this.under = h('pre', { 'aria-hidden': 'true' });
    this.area = h('div', { class: 'editor-text' }, this.under, this.field);
    this.element = h('div', { class: 'editor' }, this.lines, this.area);
    this.draw();
  }

  get text() {
    return this.field.value;
  }

  set text(text) {
    this.field.value = text;
    this.mistakes = [];
    this.field.scrollTop = 0;
    this.draw();
  }

  /** Marks the places of mistakes `{line, column}`, both from 1. */
  mark(mistakes) {
    this.mistakes = mistakes.filter((mistake) => mistake.line > 0);
    this.field.setAttribute('aria-invalid', String(mistakes.length > 0));
    this.draw();
  }

  /** Puts the cursor there, and what is there into sight. */
  goTo({ line, column }) {
    const start = this.offsetOf(line, column ?? 1);
    this.field.focus();
    this.field.setSelectionRange(start, this.endOfWord(start));
    const height = parseFloat(getComputedStyle(this.field).lineHeight);
    this.field.scrollTop = Math.max(0, (line - 1) * height - this.field.clientHeight / 3);
    this.follow();
  }

  offsetOf(line, column) {
    const before = this.text.split('\n').slice(0, line - 1);
    const start = before.reduce((sum, text) => sum + text.length + 1, 0);
    return Math.min(this.text.length, start + Math.max(0, column - 1));
  }

  endOfWord(start) {
    const [word] = /^[\w.+-]*/.exec(this.text.slice(start, start + 200));
    return start + Math.max(word.length, start < this.text.length ? 1 : 0);
  }

  draw() {
    const { text } = this;
    const wrong = new Set(this.mistakes.map((mistake) => mistake.line));
    const lines = text.split('\n').length;
    replace(this.lines, Array.from({ length: lines }, (_, index) =>
      h('span', { class: wrong.has(index + 1) ? 'wrong' : '' }, String(index + 1))));
    const isPlain = text.length > MOST_COLOURED;
    this.area.classList.toggle('plain', isPlain);
    replace(this.under, isPlain ? [] : this.coloured(text));
    this.follow();
  }

  coloured(text) {
    const marks = this.mistakes
      .map((mistake) => this.offsetOf(mistake.line, mistake.column ?? 1))
      .map((start) => [start, this.endOfWord(start)]);
    const pieces = [];
    let at = 0;
    for (const [kind, token] of tokens(text)) {
      const end = at + token.length;
      const isWrong = marks.some(([from, to]) => from < end && to > at && token.trim() !== '');
      const names = [kind && `tok-${kind}`, isWrong && 'tok-wrong'].filter(Boolean).join(' ');
      pieces.push(names ? h('span', { class: names }, token) : token);
      at = end;
    }

    // A last line that is empty has no height of its own.
    return [...pieces, '\n'];
  }

  follow() {
    this.under.scrollTop = this.field.scrollTop;
    this.under.scrollLeft = this.field.scrollLeft;
    this.lines.scrollTop = this.field.scrollTop;
  }

  onKey(event, onSubmit) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSubmit();
    }
  }
}
