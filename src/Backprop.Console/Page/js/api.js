// The HTTP API: every request has a limit of time, every refusal becomes a `Refusal` with words.

import { setBanner, clearBanner } from './banners.js';

const BASE = '/api/v1';
const LIMIT_MS = 20_000;
const RETRIES = 2;
const RETRY_MS = 400;

/** What the API said no with, or why it was not heard. */
export class Refusal extends Error {
  constructor(status, detail, problem = {}) {
    super(detail);
    this.name = 'Refusal';
    this.status = status;
    this.problem = problem;
  }

  /** Every mistake of a wrong specification. */
  get mistakes() {
    return Array.isArray(this.problem.errors) ? this.problem.errors : [];
  }
}

/** Where a route lies; segments are encoded. */
export function path(...segments) {
  return `${BASE}/${segments.map(encodeURIComponent).join('/')}`;
}

/** JSON of a GET. What may pass (503, no connection) is tried again a few times. */
export async function get(url, { signal, text = false } = {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await request(url, { signal });
      noteAge(response);
      return text ? await response.text() : await response.json();
    } catch (failure) {
      const passes = failure instanceof Refusal && [0, 503].includes(failure.status);
      if (!passes || attempt >= RETRIES || signal?.aborted) {
        throw failure;
      }

      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** attempt));
    }
  }
}

/** A POST; `json` or `text` is its body. What it answers, or null. */
export async function post(url, { json, text, headers = {}, signal, method = 'POST' } = {}) {
  clearBanner('refusal');
  const token = csrfToken();
  const response = await request(url, {
    method,
    signal,
    body: json === undefined ? text : JSON.stringify(json),
    headers: {
      ...(json === undefined ? text === undefined ? {} : { 'Content-Type': 'text/plain' }
        : { 'Content-Type': 'application/json' }),
      ...(token ? { 'X-CSRF-Token': token } : {}),
      ...headers,
    },
  });
  return response.status === 204 ? null : await response.json();
}

/** A DELETE. */
export function remove(url) {
  return post(url, { method: 'DELETE' });
}

/** Whether this browser has a session that can be ended. */
export function hasSession() {
  return csrfToken() !== null;
}

/** A text that nobody else chooses; `crypto.randomUUID` is not there without HTTPS. */
export function uniqueKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Looks whether a login is needed, for what cannot see a status itself. */
export async function probe() {
  try {
    await request(path('cluster'), {});
  } catch (failure) {
    if (!(failure instanceof Refusal)) {
      throw failure;
    }
  }
}

async function request(url, { signal, ...options }) {
  const limit = AbortSignal.timeout(LIMIT_MS);
  let response;
  try {
    response = await fetch(url, {
      credentials: 'same-origin',
      ...options,
      headers: { Accept: 'application/json, application/problem+json, */*', ...options.headers },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (failure) {
    if (signal?.aborted) {
      throw failure;
    }

    throw new Refusal(0, failure.name === 'TimeoutError'
      ? `the node has not answered within ${LIMIT_MS / 1000} s`
      : 'the node cannot be reached');
  }

  if (response.ok) {
    return response;
  }

  const problem = await problemOf(response);
  if (response.status === 401 && !location.hash.startsWith('#/login')) {
    const back = location.hash.slice(1) || '/runs';
    location.hash = `#/login?to=${encodeURIComponent(back)}`;
  }

  throw new Refusal(
    response.status, problem.detail ?? problem.title ?? `HTTP ${response.status}`, problem);
}

async function problemOf(response) {
  try {
    const problem = await response.json();
    return problem !== null && typeof problem === 'object' ? problem : {};
  } catch {
    // A refusal that is no problem document, of a proxy say: the status has to do.
    return {};
  }
}

function noteAge(response) {
  if (response.headers.get('Warning')?.startsWith('110')) {
    const seconds = response.headers.get('Age') ?? '?';
    setBanner(
      'age', 'warn', `The coordinator does not answer: this is as it was ${seconds} s ago.`);
  } else {
    clearBanner('age');
  }
}

function csrfToken() {
  const match = /(?:^|;\s*)backprop-csrf=([^;]*)/.exec(document.cookie);
  return match ? decodeURIComponent(match[1]) : null;
}
