// Asks what a run's nodes did in the last steps, once a second and only while somebody looks.

import { get, path, Refusal } from '../api.js';

const EVERY_MS = 1_000;
const AFTER_FAILURE_MS = 3_000;

export class TimelineSource {
  /** `onTimeline(timeline)`, or `onWords(text)` where there is none. */
  constructor(run, { onTimeline, onWords }) {
    this.run = run;
    this.onTimeline = onTimeline;
    this.onWords = onWords;
    this.abort = new AbortController();
    this.ask();
  }

  end() {
    this.abort.abort();
    clearTimeout(this.timer);
  }

  async ask() {
    let pause = EVERY_MS;
    if (!document.hidden) {
      try {
        const timeline = await get(
          path('runs', this.run, 'timeline'), { signal: this.abort.signal });
        if (timeline.workers.length === 0 && timeline.trees.length === 0) {
          this.onWords('No node has kept a step of this run yet.');
        } else {
          this.onTimeline(timeline);
        }
      } catch (failure) {
        if (failure.name === 'AbortError') {
          return;
        }

        if (!(failure instanceof Refusal)) {
          throw failure;
        }

        pause = AFTER_FAILURE_MS;
        this.onWords(words(failure));
      }
    }

    if (!this.abort.signal.aborted) {
      this.timer = setTimeout(() => this.ask(), pause);
    }
  }
}

function words({ status, message }) {
  return status === 404 ? `There is nothing to see: ${message}.`
    : status === 409 ? `Nothing to see at the moment: ${message}.`
      : status === 503 ? `The nodes cannot be asked at the moment: ${message}.`
        : `What the nodes did cannot be shown: ${message}.`;
}
