// Light, dark or the system's; and the colours of now, for what is drawn on a canvas.

import { setText } from './dom.js';

const KEY = 'backprop-theme';
const CHANGED = new EventTarget();
const NEXT = { system: 'light', light: 'dark', dark: 'system' };
const SIGN = { system: '◐', light: '☀', dark: '☾' };

let probeElement = null;
let known = new Map();

/** Makes the button change the theme. */
export function startTheme(button) {
  const show = () => {
    const theme = current();
    setText(button, SIGN[theme]);
    button.setAttribute('aria-label', `Theme: ${theme}. Change to ${NEXT[theme]}`);
    button.title = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    choose(NEXT[current()]);
    show();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  show();
}

/** Calls back when colours change; returns what ends that. */
export function onThemeChange(listener) {
  CHANGED.addEventListener('change', listener);
  return () => CHANGED.removeEventListener('change', listener);
}

/** The colour that a custom property has in this theme, as a canvas understands it. */
export function colour(property) {
  let found = known.get(property);
  if (found === undefined) {
    if (!probeElement) {
      probeElement = document.createElement('span');
      probeElement.hidden = true;
      document.body.append(probeElement);
    }

    probeElement.style.color = `var(${property})`;
    found = getComputedStyle(probeElement).color;
    known.set(property, found);
  }

  return found;
}

/** The same colour, only so opaque. */
export function faint(property, opacity) {
  return colour(property).replace(
    /^rgba?\((\d+), (\d+), (\d+).*\)$/, `rgba($1, $2, $3, ${opacity})`);
}

/** How many colours there are to tell things apart. */
export const SERIES = 8;

/** The property of the n-th colour that tells things apart. */
export function seriesColour(index) {
  return `--s${((index % SERIES) + SERIES) % SERIES}`;
}

/** Whether things should not move by themselves. */
export function prefersStill() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

function current() {
  return document.documentElement.dataset.theme ?? 'system';
}

function choose(theme) {
  if (theme === 'system') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }

  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is barred: the choice lasts as long as the page.
  }

  changed();
}

function changed() {
  known = new Map();
  CHANGED.dispatchEvent(new Event('change'));
}
