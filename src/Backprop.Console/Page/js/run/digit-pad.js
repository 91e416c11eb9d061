// A square to draw on, with a finger, a mouse or keys.

import { h } from '../dom.js';
import { colour, onThemeChange } from '../theme.js';
import { Ink } from './ink.js';

const SIDE = 240;
const MOVES = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

export class DigitPad {
  /** `onChange()` after every stroke. */
  constructor(onChange) {
    this.onChange = onChange;
    this.canvas = h('canvas', {
      class: 'pad', tabindex: '0', role: 'img',
      'aria-label': 'A square to draw on. Arrow keys move, space inks a pixel.',
      on: {
        pointerdown: (event) => this.begin(event),
        pointermove: (event) => this.move(event),
        pointerup: () => this.finish(),
        pointercancel: () => this.finish(),
        keydown: (event) => this.onKey(event),
        focus: () => this.draw(),
        blur: () => this.draw(),
      },
    });
    this.setSize(8);
    this.stopTheme = onThemeChange(() => this.draw());
  }

  setSize(size) {
    this.ink = new Ink(size);
    this.cursor = [Math.floor(size / 2), Math.floor(size / 2)];
    this.draw();
  }

  clear() {
    this.setSize(this.ink.size);
  }

  end() {
    this.stopTheme();
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.at = this.place(event);
    this.ink.line(...this.at, ...this.at);
    this.draw();
  }

  move(event) {
    if (!this.at) {
      return;
    }

    const to = this.place(event);
    this.ink.line(...this.at, ...to);
    this.at = to;
    this.draw();
  }

  finish() {
    if (this.at) {
      this.at = null;
      this.onChange();
    }
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.ink.size,
      ((event.clientY - box.top) / box.height) * this.ink.size,
    ];
  }

  onKey(event) {
    const move = MOVES[event.key];
    const most = this.ink.size - 1;
    if (move) {
      this.cursor = this.cursor.map((one, axis) => Math.min(most, Math.max(0, one + move[axis])));
    } else if (event.key === ' ' || event.key === 'Enter') {
      this.ink.toggle(...this.cursor);
      this.onChange();
    } else {
      return;
    }

    event.preventDefault();
    this.draw();
  }

  draw() {
    const scale = Math.max(1, devicePixelRatio || 1);
    this.canvas.width = SIDE * scale;
    this.canvas.height = SIDE * scale;
    const context = this.canvas.getContext('2d');
    const { size } = this.ink;
    const cell = (SIDE * scale) / size;
    context.fillStyle = colour('--sunk');
    context.fillRect(0, 0, SIDE * scale, SIDE * scale);
    context.fillStyle = colour('--text');
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        context.globalAlpha = this.ink.pixel(column, row);
        context.fillRect(column * cell, row * cell, cell, cell);
      }
    }

    context.globalAlpha = 1;
    context.strokeStyle = colour('--grid');
    context.lineWidth = 1;
    context.beginPath();
    for (let line = 1; line < size; line++) {
      context.moveTo(line * cell, 0);
      context.lineTo(line * cell, SIDE * scale);
      context.moveTo(0, line * cell);
      context.lineTo(SIDE * scale, line * cell);
    }

    context.stroke();
    if (document.activeElement === this.canvas && this.canvas.matches(':focus-visible')) {
      context.strokeStyle = colour('--accent');
      context.lineWidth = 2 * scale;
      context.strokeRect(this.cursor[0] * cell, this.cursor[1] * cell, cell, cell);
    }
  }
}
