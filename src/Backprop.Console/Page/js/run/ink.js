// A drawing as pixels. Ink lies on a sheet four times as fine as the pixels, and a pixel is the
// share of it that is covered: so were the sets of handwritten digits made.

const FINENESS = 4;

export class Ink {
  constructor(size) {
    this.size = size;
    this.side = size * FINENESS;
    this.sheet = new Uint8Array(this.side * this.side);
    this.radius = 0.35 + size * 0.03;
  }

  /** Draws from one place to another, in pixels. */
  line(fromX, fromY, toX, toY) {
    const pieces = Math.ceil(Math.hypot(toX - fromX, toY - fromY) * FINENESS) + 1;
    for (let piece = 0; piece <= pieces; piece++) {
      const share = piece / pieces;
      this.dot(fromX + (toX - fromX) * share, fromY + (toY - fromY) * share);
    }
  }

  /** Covers a pixel, or uncovers it. */
  toggle(column, row) {
    const isOn = this.pixel(column, row) > 0.5 ? 0 : 1;
    for (let y = row * FINENESS; y < (row + 1) * FINENESS; y++) {
      this.sheet.fill(
        isOn, y * this.side + column * FINENESS, y * this.side + (column + 1) * FINENESS);
    }
  }

  /** The share of a pixel that is covered. */
  pixel(column, row) {
    let covered = 0;
    for (let y = row * FINENESS; y < (row + 1) * FINENESS; y++) {
      for (let x = column * FINENESS; x < (column + 1) * FINENESS; x++) {
        covered += this.sheet[y * this.side + x];
      }
    }

    return covered / FINENESS ** 2;
  }

  /** [size · size] rows of pixels, full ink being `most`. */
  features(most) {
    return Array.from({ length: this.size ** 2 }, (_, index) =>
      this.pixel(index % this.size, Math.floor(index / this.size)) * most);
  }

  get isEmpty() {
    return !this.sheet.includes(1);
  }

  dot(x, y) {
    const reach = this.radius * FINENESS;
    const [centreX, centreY] = [x * FINENESS, y * FINENESS];
    for (let row = Math.floor(centreY - reach); row <= centreY + reach; row++) {
      for (let column = Math.floor(centreX - reach); column <= centreX + reach; column++) {
        const isNear = Math.hypot(column + 0.5 - centreX, row + 0.5 - centreY) <= reach;
        if (isNear && row >= 0 && row < this.side && column >= 0 && column < this.side) {
          this.sheet[row * this.side + column] = 1;
        }
      }
    }
  }
}
