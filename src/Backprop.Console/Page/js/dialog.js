// Asks before what cannot be undone.

import { h } from './dom.js';

/** Whether the user says yes. */
export function confirm({ title, text, yes }) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' },
      h('h2', { id: 'dialog-title' }, title),
      h('p', {}, text),
      h('div', { class: 'dialog-actions' },
        h('button', {
          type: 'button', class: 'button', autofocus: true, on: { click: () => dialog.close() },
        }, 'Cancel'),
        h('button', {
          type: 'button', class: 'button button-danger',
          on: { click: () => dialog.close('yes') },
        }, yes)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
