// Which view an address means, and how its code is got: only when it is first looked at.

const VIEWS = {
  runs: () => ({
    title: 'Runs',
    load: async () => (await import('./views/runs.js')).mount,
  }),
  run: (id) => ({
    title: id,
    load: async () => (await import('./views/run.js')).mount,
  }),
  compare: () => ({
    title: 'Compare runs',
    load: async () => (await import('./views/compare.js')).mount,
  }),
  submit: () => ({
    title: 'Submit a run',
    load: async () => (await import('./views/submit.js')).mount,
  }),
  cluster: () => ({
    title: 'Cluster',
    load: async () => (await import('./views/cluster.js')).mount,
  }),
  explain: () => ({
    title: 'Explain',
    load: async () => (await import('./explain/explain.js')).mount,
  }),
  login: () => ({
    title: 'Log in',
    load: async () => (await import('./views/login.js')).mount,
  }),
};

/** Of `#/runs/digits-1?key=value`: the view, its arguments and how to load it. */
export function parseRoute(hash) {
  const [place, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [first = '', second = ''] = place.split('/').map(decode);
  const view = first === 'runs' && second ? 'run' : Object.hasOwn(VIEWS, first) ? first : 'runs';
  return {
    view,
    argument: second,
    query: new URLSearchParams(query),
    ...VIEWS[view](second),
  };
}

/** The address of a run's view. */
export function runAddress(id) {
  return `#/runs/${encodeURIComponent(id)}`;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    // A mistyped address: taken as it stands.
    return text;
  }
}
