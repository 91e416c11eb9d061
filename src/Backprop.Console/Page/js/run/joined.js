// Lines with steps of their own over one axis of all their steps.

/** Of lines `{key, label, colour, x, values, smooth}`, each ascending in x. */
export function joined(lines) {
  const x = [...new Set(lines.flatMap((line) => line.x))].sort((one, other) => one - other);
  const index = new Map(x.map((one, at) => [one, at]));
  return {
    x,
    series: lines.map((line) => {
      // Where a line has no point it is undefined, which is drawn through; null is a gap.
      const values = new Array(x.length).fill(undefined);
      line.x.forEach((one, at) => {
        values[index.get(one)] = line.values[at];
      });
      const { key, label, colour, smooth } = line;
      return { key, label, colour, values, smooth };
    }),
  };
}
