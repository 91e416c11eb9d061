// What whoever looks at any view should know first: no connection, old news.

import { h, setText } from './dom.js';

const banners = new Map();

/** Shows a sentence; `kind`: warn, bad or info. */
export function setBanner(key, kind, text) {
  let banner = banners.get(key);
  if (!banner) {
    banner = h('p', {});
    banners.set(key, banner);
    document.getElementById('banners').append(banner);
  }

  banner.setAttribute('class', `banner banner-${kind}`);
  setText(banner, text);
}

export function clearBanner(key) {
  banners.get(key)?.remove();
  banners.delete(key);
}

export function clearBanners() {
  for (const key of [...banners.keys()]) {
    clearBanner(key);
  }
}

/** Says something to those who listen to the page. */
export function announce(text) {
  setText(document.getElementById('announcer'), text);
}
