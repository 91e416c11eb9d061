// The page: one view at a time, chosen by the part of the address after `#`.

import { hasSession, path, remove, Refusal } from './api.js';
import { announce, clearBanners, setBanner } from './banners.js';
import { h, replace } from './dom.js';
import { parseRoute } from './routes.js';
import { forgetSession, learnSession, sessionName } from './session.js';
import { startTheme } from './theme.js';

const main = document.getElementById('main');
const logout = document.getElementById('logout');
let unmount = null;
let navigation = 0;

async function show() {
  const route = parseRoute(location.hash);
  const mine = ++navigation;
  markView(route.view);
  let mount;
  try {
    [mount] = await Promise.all([route.load(), learnSession()]);
  } catch (failure) {
    mount = () => {
      replace(main, h('div', { class: 'head' }, h('h1', {}, route.title)),
        h('p', { class: 'note note-bad' }, `This view could not be loaded: ${failure.message}`));
    };
  }

  if (mine !== navigation) {
    return;
  }

  unmount?.();
  clearBanners();
  replace(main);
  main.setAttribute('class', `view view-${route.view}`);
  document.title = `${route.title} · Backprop`;
  logout.hidden = !hasSession();
  logout.title = sessionName() ?? '';
  unmount = mount(main, route) ?? null;
  scrollTo(0, 0);
  announce(route.title);
}

function markView(view) {
  for (const link of document.querySelectorAll('.nav a')) {
    if (link.dataset.view === view) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }
}

document.getElementById('skip').addEventListener('click', (event) => {
  // The address after `#` is the view's; it must not become "main".
  event.preventDefault();
  main.focus();
});
logout.addEventListener('click', async () => {
  try {
    await remove(path('session'));
    forgetSession();
    location.hash = '#/login';
  } catch (failure) {
    if (!(failure instanceof Refusal)) {
      throw failure;
    }

    setBanner('logout', 'bad', `You are still logged in: ${failure.message}`);
  }
});
addEventListener('unhandledrejection', (event) => {
  if (event.reason instanceof Refusal && event.reason.status !== 401) {
    setBanner('refusal', 'bad', event.reason.message);
    event.preventDefault();
  } else if (event.reason?.name === 'AbortError' || event.reason?.status === 401) {
    event.preventDefault();
  }
});
startTheme(document.getElementById('theme'));
addEventListener('hashchange', show);
replace(main, h('p', { class: 'loading' }, 'Loading…'));
show();
