// The errors of the steps so far, in bounded memory.

const MOST_POINTS = 1024;

/** One point a step; when there are too many, every second one goes, and from then on only every
 * second step leaves one. The newest step always has one. */
export class Losses {
  #points = [];
  #stride = 1;
  #newest = null;

  /** The points, `{ step, loss }`, by step. */
  get points() {
    const last = this.#points.at(-1);
    return this.#newest === null || last?.step === this.#newest.step
      ? this.#points
      : [...this.#points, this.#newest];
  }

  /** Adds a step's. */
  add(step, loss) {
    this.#newest = { step, loss };
    if (step % this.#stride !== 0) {
      return;
    }

    this.#points.push(this.#newest);
    if (this.#points.length > MOST_POINTS) {
      this.#stride *= 2;
      this.#points = this.#points.filter((point) => point.step % this.#stride === 0);
    }
  }
}
