// What HOCON is made of, as far as colours go; whether it is right, the API says.

const PATTERN = new RegExp([
  /(?<comment>(?:#|\/\/)[^\n]*)/,
  /(?<text>"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"?)/,
  /(?<key>[A-Za-z_][\w.-]*(?=\s*(?:[={:]|\+=)))/,
  /(?<number>-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?%?)/,
  /(?<word>[A-Za-z_][\w-]*)/,
].map((part) => part.source).join('|'), 'g');

/** Pieces `[kind, text]` that together are the text; kind null: nothing special. */
export function* tokens(text) {
  let end = 0;
  for (const match of text.matchAll(PATTERN)) {
    if (match.index > end) {
      yield [null, text.slice(end, match.index)];
    }

    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    yield [kind === 'word' ? null : kind, match[0]];
    end = match.index + match[0].length;
  }

  if (end < text.length) {
    yield [null, text.slice(end)];
  }
}
