// Who is logged in, and what they may do. The node decides; the page only spares its users buttons
// that would be refused.

import { get, path, Refusal } from './api.js';

let asked = null;
let known = null;

/** Asks once, until `forgetSession`. */
export function learnSession() {
  asked ??= ask();
  return asked;
}

/** After a login or a logout it is another. */
export function forgetSession() {
  asked = null;
  known = null;
}

/** Whether runs may be handed in and changed, as far as is known. */
export function mayChange() {
  return known?.role !== 'viewer';
}

/** "ci (operator)"; null: nobody is logged in, or nobody has to be. */
export function sessionName() {
  return known?.name ? `${known.name} (${known.role})` : null;
}

async function ask() {
  try {
    known = await get(path('session'));
  } catch (failure) {
    if (!(failure instanceof Refusal)) {
      throw failure;
    }

    // It is asked again with the next view; until then the node says no where it has to.
    asked = null;
  }
}
