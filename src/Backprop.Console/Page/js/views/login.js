// Asks for a token, where the node wants one.

import { path, post, Refusal } from '../api.js';
import { h, replace, setText } from '../dom.js';
import { forgetSession } from '../session.js';

export function mount(main, route) {
  const failed = h('p', { class: 'note note-bad', role: 'alert', hidden: true });
  const token = h('input', {
    type: 'password', name: 'token', required: true, autocomplete: 'current-password',
    spellcheck: 'false', id: 'token', 'aria-describedby': 'token-hint',
  });
  const send = h('button', { type: 'submit', class: 'button button-primary' }, 'Log in');

  const logIn = async (event) => {
    event.preventDefault();
    send.disabled = true;
    failed.hidden = true;
    try {
      await post(path('session'), { json: { token: token.value.trim() } });
      forgetSession();
      const to = route.query.get('to');
      location.hash = to?.startsWith('/') ? `#${to}` : '#/runs';
    } catch (failure) {
      if (!(failure instanceof Refusal)) {
        throw failure;
      }

      setText(failed, failure.message);
      failed.hidden = false;
      token.focus();
    } finally {
      send.disabled = false;
    }
  };

  replace(main, h('form', { class: 'panel login', on: { submit: logIn } },
    h('h1', {}, 'Log in'),
    h('label', { class: 'field', for: 'token' }, 'Token', token),
    h('p', { class: 'muted small', id: 'token-hint' },
      'An operator makes one with ', h('code', {}, 'backprop token create'), '.'),
    failed, send));
  token.focus();
}
