// What a timeline says in numbers: where each node's time of a step goes.

/** Kinds of spans in the order in which they happen. */
export const WORKER_KINDS = ['compute', 'push', 'wait'];
export const SERVER_KINDS = ['gather', 'apply', 'broadcast'];

/** The property of a kind's colour. */
export const KIND_COLOURS = {
  compute: '--s2', push: '--s1', wait: '--line-strong',
  gather: '--s4', apply: '--s0', broadcast: '--s6',
};

/** Of each node the mean seconds a step of each kind. */
export function meanParts(nodes, kinds) {
  return nodes.map(({ node, slice, spans }) => ({
    node,
    slice,
    parts: kinds.map((kind) => {
      const ours = spans.filter((span) => span.kind === kind);
      const steps = new Set(ours.map((span) => span.step)).size;
      const sum = ours.reduce((total, span) => total + span.end - span.begin, 0);
      return { kind, seconds: steps > 0 ? sum / steps : 0 };
    }),
  }));
}
