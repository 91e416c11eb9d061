// What a run's history says, epoch by epoch.

import { number } from '../format.js';

/** A finite number, or null: a gap. */
function finite(raw) {
  const one = number(raw);
  return Number.isFinite(one) ? one : null;
}

export function trainingLoss(history) {
  return history.map((epoch) => finite(epoch.trainingLoss));
}

export function validationLoss(history) {
  return history.map((epoch) => finite(epoch.validation?.loss));
}

/** What quality the validation part shows: its name and a value an epoch; null: none does. */
export function quality(history) {
  const of = history.find((epoch) => epoch.validation)?.validation;
  return of?.classification ? {
    name: 'Validation accuracy',
    values: history.map((epoch) => finite(epoch.validation?.classification?.accuracy)),
    isShare: true,
  } : of?.regression ? {
    name: 'Validation R²',
    values: history.map((epoch) => finite(epoch.validation?.regression?.r2)),
    isShare: false,
  } : null;
}

/** Epochs as people count them, from 1. */
export function epochNumbers(history) {
  return history.map((epoch) => epoch.epoch + 1);
}
