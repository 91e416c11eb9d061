// Events as they happen. The browser reconnects by itself and names the last event it has; what
// it gives up on (a node that is restarted, a refusal) is tried again here, from the same event.

import { probe } from './api.js';
import { clearBanner, setBanner } from './banners.js';
import { setText } from './dom.js';

const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 15_000;
const LOST_AFTER_MS = 4_000;

// A browser has six connections to a node for all its tabs together (HTTP/1.1): a tab that nobody
// sees gives its own back, and takes up where it was when it is looked at again.
const HIDDEN_MS = 20_000;

/**
 * Follows a stream.
 * @param url where
 * @param handlers what to do with the data of each kind of event
 * @returns what ends it
 */
export function follow(url, handlers) {
  const stream = new Stream(url, handlers);
  stream.open();
  return () => stream.end();
}

class Stream {
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.last = null;
    this.retryMs = FIRST_RETRY_MS;
    this.over = false;
    this.onVisibility = () => this.changeVisibility();
    document.addEventListener('visibilitychange', this.onVisibility);
  }

  open() {
    this.close();
    const after = this.last === null ? '' : `?after=${encodeURIComponent(this.last)}`;
    const source = new EventSource(this.url + after, { withCredentials: true });
    this.source = source;
    source.addEventListener('open', () => this.connected());
    source.addEventListener('error', () => this.failed(source));
    for (const [kind, handle] of Object.entries(this.handlers)) {
      source.addEventListener(kind, (event) => this.received(kind, event, handle));
    }

    if (!this.handlers.stale) {
      source.addEventListener('stale', (event) => this.received('stale', event, () => {}));
    }

    if (!this.handlers.end) {
      source.addEventListener('end', (event) => this.received('end', event, () => {}));
    }
  }

  received(kind, event, handle) {
    if (this.over) {
      return;
    }

    this.last = event.lastEventId || this.last;
    const data = event.data ? JSON.parse(event.data) : {};
    if (kind === 'stale') {
      showStale(data);
    }

    handle(data);
    if (kind === 'end') {
      // Nothing follows; left open, the browser would ask for it again and again.
      this.end();
      showLink('ended');
    }
  }

  connected() {
    this.retryMs = FIRST_RETRY_MS;
    clearTimeout(this.lostTimer);
    this.lostTimer = null;
    clearBanner('connection');
    // Of what is stale the new connection tells anew.
    clearBanner('stale');
    showLink('live');
  }

  failed(source) {
    if (this.over || source !== this.source) {
      return;
    }

    showLink('connecting');
    this.lostTimer ??= setTimeout(() => setBanner(
      'connection', 'bad',
      'No connection to the node. What you see may be old; it is tried again all the time.'),
    LOST_AFTER_MS);
    if (source.readyState === EventSource.CLOSED) {
      probe();
      clearTimeout(this.retryTimer);
      this.retryTimer = setTimeout(() => this.open(), this.retryMs);
      this.retryMs = Math.min(MOST_RETRY_MS, this.retryMs * 2);
    }
  }

  changeVisibility() {
    clearTimeout(this.hiddenTimer);
    if (document.hidden) {
      this.hiddenTimer = setTimeout(() => {
        this.resting = true;
        this.close();
      }, HIDDEN_MS);
    } else if (this.resting) {
      this.resting = false;
      this.open();
    }
  }

  close() {
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
  }

  end() {
    this.over = true;
    this.close();
    clearTimeout(this.lostTimer);
    clearTimeout(this.hiddenTimer);
    document.removeEventListener('visibilitychange', this.onVisibility);
    clearBanner('connection');
    clearBanner('stale');
    showLink('none');
  }
}

function showStale({ seconds, reason }) {
  if (seconds > 0) {
    setBanner(
      'stale', 'warn',
      `This is as it was ${Math.round(seconds)} s ago${reason ? `: ${reason}` : ''}.`);
  } else {
    clearBanner('stale');
  }
}

const LINK_WORDS = { live: 'Live', connecting: 'Connecting…', ended: 'Ended', none: '' };

function showLink(state) {
  const element = document.getElementById('link-state');
  element.dataset.state = state;
  setText(element, LINK_WORDS[state]);
}
