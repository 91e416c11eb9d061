// Gets the loss of runs that are in sight, a few at a time: once of a run that is over, now and
// then of one that trains.

import { get, path, Refusal } from '../api.js';
import { number } from '../format.js';
import { isFinal } from './standing.js';

const POINTS = 32;
const AT_ONCE = 3;
const AGAIN_MS = 10_000;

export class SparkLoader {
  constructor() {
    this.rows = new Map();
    this.queue = [];
    this.running = 0;
    this.abort = new AbortController();
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = this.rows.get(entry.target);
        if (row) {
          row.inSight = entry.isIntersecting;
          this.consider(row);
        }
      }
    });
    this.timer = setInterval(() => this.rows.forEach((row) => this.consider(row)), AGAIN_MS / 2);
  }

  /** `show(values)` is called with the mean losses whenever there are new ones. */
  watch(element, show) {
    this.rows.set(element, { show, inSight: false, loadedAt: -Infinity, state: 'idle' });
    this.observer.observe(element);
  }

  /** Tells what the run of an element is at. */
  know(element, summary) {
    const row = this.rows.get(element);
    row.summary = summary;
    this.consider(row);
  }

  forget(element) {
    this.observer.unobserve(element);
    this.rows.delete(element);
  }

  end() {
    this.abort.abort();
    this.observer.disconnect();
    clearInterval(this.timer);
  }

  consider(row) {
    const { summary } = row;
    if (!row.inSight || !summary || row.state !== 'idle' || document.hidden
      || summary.version === 0 || summary.version === row.version
      || performance.now() - row.loadedAt < AGAIN_MS && !isFinal(summary.standing)) {
      return;
    }

    row.state = 'queued';
    this.queue.push(row);
    this.next();
  }

  async next() {
    if (this.running >= AT_ONCE || this.queue.length === 0) {
      return;
    }

    const row = this.queue.shift();
    const { id, version } = row.summary;
    this.running++;
    try {
      const curves = await get(
        `${path('runs', id, 'curves')}?points=${POINTS}`, { signal: this.abort.signal });
      row.version = version;
      row.show(curves.lossMean.map(number));
    } catch (failure) {
      if (!(failure instanceof Refusal) && failure.name !== 'AbortError') {
        throw failure;
      }

      // A small picture is missing: the list itself says what is wrong with the connection.
    } finally {
      row.loadedAt = performance.now();
      row.state = 'idle';
      this.running--;
      this.next();
    }
  }
}
