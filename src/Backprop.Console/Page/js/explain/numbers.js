// Numbers as `backprop explain` writes them.

const LEAST_EXPONENT = -5;
const MINUS = '−';

/** With seven digits: 0.7513651; short ones keep their short form: 0.6. */
export function full(value) {
  return general(value, 7);
}

/** With four digits, for the drawing. */
export function short(value) {
  return general(value, 4);
}

/** In brackets where it is negative, so that two signs never meet. */
export function factor(value) {
  return value < 0 ? `(${full(value)})` : full(value);
}

// C's and .NET's %G: an exponent only below 1e-4 or from 1e+digits on, and no closing zeros.
function general(value, digits) {
  if (!Number.isFinite(value)) {
    return String(value);
  }

  if (value === 0) {
    return '0';
  }

  const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  const text = power > LEAST_EXPONENT && power < digits
    ? withoutZeros(value.toFixed(digits - 1 - power))
    : `${withoutZeros(mantissa)}e${power < 0 ? '-' : '+'}${Math.abs(power)}`;
  return text.replaceAll('-', MINUS);
}

function withoutZeros(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
