// Rows of numbers that somebody has typed or has in a file.

const MOST_ROWS = 100;

/** Rows of features; a first line of names is passed over. Throws what is wrong, in words. */
export function readRows(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  const rows = [];
  lines.forEach((line, index) => {
    const cells = line.split(/[,;\t]|\s+/).filter((cell) => cell !== '');
    const numbers = cells.map((cell) => Number(cell.replace(/^"(.*)"$/, '$1')));
    const wrong = numbers.findIndex((one) => !Number.isFinite(one));
    if (wrong < 0) {
      rows.push(numbers);
    } else if (index > 0) {
      throw new SyntaxError(`line ${index + 1}: “${cells[wrong]}” is not a number`);
    }
  });
  if (rows.length === 0) {
    throw new SyntaxError('there is no row of numbers');
  }

  if (rows.length > MOST_ROWS) {
    throw new SyntaxError(
      `${rows.length} rows are too many for a page: at most ${MOST_ROWS};`
      + ' “backprop predict” takes any number');
  }

  return rows;
}
