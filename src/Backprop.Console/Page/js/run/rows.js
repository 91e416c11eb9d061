// Rows of a table that somebody has typed or has in a file, as samples to predict from.

const MOST_ROWS = 100;

/**
 * What to send for each row: its numbers where it is all numbers, else the row as text, with the
 * table's head where it has one; the network's own reader knows names and categories.
 * Throws what is wrong, in words.
 */
export function samplesOf(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  const numbers = lines.map(numbersOf);
  // A head has names alone; a row of a table has a number somewhere, at least as a rule.
  const hasHead = lines.length > 1 && cellsOf(lines[0]).every((cell) => !isNumber(cell));
  const first = hasHead ? 1 : 0;
  const rows = lines.slice(first);
  if (rows.length === 0 || (rows.length === 1 && lines.length === 1 && numbers[0] === null
    && cellsOf(rows[0]).every((cell) => !isNumber(cell)))) {
    throw new SyntaxError('there is no row of values');
  }

  if (rows.length > MOST_ROWS) {
    throw new SyntaxError(
      `${rows.length} rows are too many for a page: at most ${MOST_ROWS};`
      + ' “backprop predict” takes any number');
  }

  return rows.map((row, index) => (hasHead
    ? { csv: `${lines[0]}\n${row}` }
    : numbers[index] === null ? { csv: row } : { features: numbers[index] }));
}

function numbersOf(line) {
  const cells = cellsOf(line);
  return cells.every(isNumber) ? cells.map(Number) : null;
}

function cellsOf(line) {
  const cells = /[,;\t]/.test(line) ? line.split(/[,;\t]/) : line.split(/\s+/);
  return cells.map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}

function isNumber(cell) {
  return cell !== '' && Number.isFinite(Number(cell));
}
