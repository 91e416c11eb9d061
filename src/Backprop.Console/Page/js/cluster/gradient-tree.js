// The gradient tree: which of its nodes are whole when. Siblings are added pairwise, level by
// level; a node without a sibling passes up as it is.

/**
 * The tree over micro-batches, from the leaves that are drawn up. Where there are too many, a leaf
 * is a whole subtree of the real tree.
 * @returns `unit` (micro-batches of a drawn leaf) and `levels`, an array of arrays of nodes
 * `{level, index, first, end, children}`
 */
export function treeOf(microBatches, mostLeaves) {
  let unit = 1;
  while (Math.ceil(microBatches / unit) > mostLeaves) {
    unit *= 2;
  }

  const levels = [];
  for (let width = unit; ; width *= 2) {
    const below = levels.at(-1) ?? [];
    const nodes = Array.from({ length: Math.ceil(microBatches / width) }, (_, index) => ({
      level: levels.length,
      index,
      first: index * width,
      end: Math.min(microBatches, (index + 1) * width),
      children: below.slice(2 * index, 2 * index + 2),
    }));
    levels.push(nodes);
    if (nodes.length <= 1) {
      return { unit, levels };
    }
  }
}

/**
 * When each node of a tree became whole, and by whom it was folded.
 * @param arrivals `{worker, firstMicroBatch, count, at}`; of what comes twice the first counts
 * @returns a Map from node to `{at, by, isSent}`: `at` Infinity if it is not whole, `by` the worker
 * that folded it or null for the server, `isSent` whether it is what that worker pushed
 */
export function wholeness(tree, arrivals) {
  const ordered = [...arrivals].sort((one, other) => one.at - other.at);
  const microBatches = tree.levels.at(-1)[0].end;
  const covered = new Uint8Array(microBatches);
  const state = new Map();
  for (const nodes of tree.levels) {
    nodes.forEach((node) => state.set(node, { at: Infinity, by: null, isSent: false, parts: 0 }));
  }

  for (const { worker, firstMicroBatch, count, at } of ordered) {
    const end = Math.min(microBatches, firstMicroBatch + count);
    for (let one = firstMicroBatch; one < end; one++) {
      if (covered[one] === 0) {
        covered[one] = 1;
        const leaf = state.get(tree.levels[0][Math.floor(one / tree.unit)]);
        leaf.parts++;
        leaf.last = at;
        leaf.by = leaf.parts === 1 || leaf.by === worker ? worker : null;
      }
    }
  }

  for (const leaf of tree.levels[0]) {
    const found = state.get(leaf);
    if (found.parts === leaf.end - leaf.first) {
      found.at = found.last;
    }
  }

  for (const node of tree.levels.slice(1).flat()) {
    state.get(node).at = Math.max(...node.children.map((child) => state.get(child).at));
  }

  markSenders(tree, ordered, state);
  return state;
}

/** Which nodes came from a worker as they are, or were folded there on the way. */
function markSenders(tree, arrivals, state) {
  for (const { worker, firstMicroBatch, count, at } of arrivals) {
    const end = firstMicroBatch + count;
    for (const nodes of tree.levels) {
      for (const node of nodes) {
        const found = state.get(node);
        const lies = node.first >= firstMicroBatch && node.end <= end;
        if (lies && found.at === at) {
          found.by = worker;
          found.isSent = node.first === firstMicroBatch && node.end === end;
        }
      }
    }
  }
}

/** Micro-batches that have not arrived, as ranges `[first, end]`. */
export function missing(microBatches, arrivals) {
  const covered = new Uint8Array(microBatches);
  for (const { firstMicroBatch, count } of arrivals) {
    covered.fill(1, firstMicroBatch, firstMicroBatch + count);
  }

  const ranges = [];
  for (let first = 0; first < microBatches; first++) {
    if (covered[first] === 0) {
      let end = first;
      while (end < microBatches && covered[end] === 0) {
        end++;
      }

      ranges.push([first, end]);
      first = end;
    }
  }

  return ranges;
}
