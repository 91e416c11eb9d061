// Formulas in plain text, set as mathematics: ∂E/∂w5 becomes a fraction, out(y1) an index. Each
// operand is a formula of its own, so that long lines break between them.

const MATHML = 'http://www.w3.org/1998/Math/MathML';

/** The nodes of a formula such as `∂E/∂out(y1) · ∂out(y1)/∂net(y1)`. */
export function formula(text) {
  return text.split(' ').flatMap((word, i) => i === 0 ? operand(word) : [' ', ...operand(word)]);
}

function operand(word) {
  if (!/\p{L}/u.test(word)) {
    return [word];
  }

  const isClosing = word.split(')').length > word.split('(').length;
  const term = isClosing ? word.slice(0, -1) : word;
  const formed = math('math', ...quantity(term));
  formed.setAttribute('displaystyle', 'true');
  return [formed, ...(isClosing ? [')'] : [])];
}

function quantity(word) {
  const [over, under] = word.split('/');
  if (under === undefined) {
    return [partial(word)];
  }

  return [math('mfrac', partial(over), partial(under))];
}

function partial(text) {
  const row = math('mrow');
  let rest = text;
  if (rest.startsWith('∂')) {
    row.append(math('mo', '∂'));
    rest = rest.slice(1);
  }

  const call = /^(\p{L}+)\((\p{L}+)(\d*)\)(²?)$/u.exec(rest);
  const indexed = /^(\p{L})(\d+)$/u.exec(rest);
  if (call !== null) {
    const [, name, neuron, index, square] = call;
    const base = math('mi', name);
    const under = math('mrow', math('mi', neuron), ...number(index));
    row.append(square === ''
      ? math('msub', base, under)
      : math('msubsup', base, under, math('mn', '2')));
  } else if (indexed !== null) {
    row.append(math('msub', math('mi', indexed[1]), math('mn', indexed[2])));
  } else {
    row.append(math('mi', rest));
  }

  return row;
}

function number(text) {
  return text === '' ? [] : [math('mn', text)];
}

function math(name, ...children) {
  const element = document.createElementNS(MATHML, name);
  element.append(...children);
  return element;
}
