// Moves a walk on by itself, a phase or many steps at a time.

/** How fast: phases with a pause between them, or steps a second. */
export const speeds = [
  { name: 'slow', title: 'slowly, phase by phase', pauseMs: 2400 },
  { name: 'phases', title: 'phase by phase', pauseMs: 1000 },
  { name: 'quick', title: 'quickly, phase by phase', pauseMs: 350 },
  { name: 'steps-10', title: '10 steps a second', stepsPerSecond: 10 },
  { name: 'steps-100', title: '100 steps a second', stepsPerSecond: 100 },
  { name: 'steps-1000', title: '1,000 steps a second', stepsPerSecond: 1000 },
];

// After a tab was hidden, what it has missed is not made up for.
const LONGEST_FRAME_MS = 100;

/** Plays until it is paused. */
export class Player {
  #moved;
  #timer = null;
  #frame = null;
  #lastFrame = 0;
  #due = 0;

  /** @param moved called with `{ phases }` or `{ steps }` that the walk is to be moved on by */
  constructor(moved) {
    this.#moved = moved;
    this.speed = speeds[1];
  }

  get isPlaying() {
    return this.#timer !== null || this.#frame !== null;
  }

  /** Whether more is shown than can be followed. */
  get isFast() {
    return this.isPlaying && this.speed.stepsPerSecond !== undefined;
  }

  play() {
    this.pause();
    if (this.speed.pauseMs !== undefined) {
      this.#timer = setInterval(() => this.#moved({ phases: 1 }), this.speed.pauseMs);
      this.#moved({ phases: 1 });
    } else {
      this.#due = 0;
      this.#lastFrame = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#onFrame(now));
    }
  }

  pause() {
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#timer = null;
    this.#frame = null;
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.isPlaying) {
      this.play();
    }
  }

  #onFrame(now) {
    const elapsedMs = Math.min(LONGEST_FRAME_MS, Math.max(0, now - this.#lastFrame));
    this.#lastFrame = now;
    this.#due += elapsedMs * this.speed.stepsPerSecond / 1000;
    const steps = Math.floor(this.#due);
    this.#due -= steps;
    this.#frame = requestAnimationFrame((next) => this.#onFrame(next));
    if (steps > 0) {
      this.#moved({ steps });
    }
  }
}
