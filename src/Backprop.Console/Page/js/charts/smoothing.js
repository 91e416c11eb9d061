// Exponential moving average, freed of the bias of its start; gaps stay gaps.

/** Smooths; `weight` from 0 (nothing) to just below 1. */
export function smooth(values, weight) {
  if (weight <= 0) {
    return values;
  }

  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (value === undefined || value === null || !Number.isFinite(value)) {
      // undefined, no point here, is not null, a gap.
      return value === undefined ? undefined : null;
    }

    sum = sum * weight + (1 - weight) * value;
    weights = weights * weight + (1 - weight);
    return sum / weights;
  });
}
