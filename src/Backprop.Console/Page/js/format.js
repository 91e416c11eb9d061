// Numbers, times and names as people read them.

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const DATE_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit',
});

/** Of a JSON number, or of a text such as "NaN"; NaN of nothing. */
export function number(value) {
  return value === null || value === undefined ? NaN : Number(value);
}

/** Whole numbers with thousands apart. */
export function count(value) {
  const n = number(value);
  return Number.isFinite(n) ? GROUPED.format(n) : '–';
}

/** Whole numbers that have to be short: 1,200 or 12k. */
export function shortCount(n) {
  return Math.abs(n) >= 1e6 ? `${Number((n / 1e6).toPrecision(3))}M`
    : Math.abs(n) >= 1e4 ? `${Number((n / 1e3).toPrecision(3))}k` : count(n);
}

/** Four significant digits, and words for what is not finite. */
export function value(raw, digits = 4) {
  if (raw === null || raw === undefined) {
    return '–';
  }

  const n = Number(raw);
  if (!Number.isFinite(n)) {
    return Number.isNaN(n) ? 'not a number' : n > 0 ? 'infinite' : '−infinite';
  }

  const size = Math.abs(n);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6)
    ? n.toExponential(digits - 1).replace(/\.?0+e/, 'e')
    : Number(n.toPrecision(digits)).toString();
  return text.replaceAll('-', '−').replace('e+', 'e');
}

/** A share of 1 in percent. */
export function percent(share, digits = 1) {
  const n = number(share);
  return Number.isFinite(n) ? `${(n * 100).toFixed(digits)}%` : '–';
}

/** Seconds of a span `[d.]hh:mm:ss[.fffffff]`. */
export function spanSeconds(text) {
  const match = /^(-)?(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(text ?? '');
  if (!match) {
    return NaN;
  }

  const [, minus, days, hours, minutes, seconds] = match;
  const total = ((Number(days ?? 0) * 24 + Number(hours)) * 60 + Number(minutes)) * 60
    + Number(seconds);
  return minus ? -total : total;
}

/** A duration, its two largest units. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) {
    return '–';
  }

  if (seconds < 1e-3) {
    return `${(seconds * 1e6).toFixed(0)} µs`;
  }

  if (seconds < 1) {
    return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  }

  if (seconds < 60) {
    return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  }

  const whole = Math.round(seconds);
  const [days, hours, minutes] =
    [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  return days > 0 ? `${days} d ${hours} h`
    : hours > 0 ? `${hours} h ${minutes} min`
      : `${minutes} min ${whole % 60} s`;
}

/** How long ago. */
export function ago(instant, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(instant).getTime()) / 1000);
  return !Number.isFinite(seconds) ? '–'
    : seconds < 5 ? 'just now'
      : `${duration(Math.round(seconds)).replace(/(min|h|d) .*/, '$1')} ago`;
}

/** Of today the clock's time alone. */
export function time(instant) {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) {
    return '–';
  }

  return date.toDateString() === new Date().toDateString()
    ? CLOCK.format(date)
    : DATE_AND_CLOCK.format(date);
}

export function bytes(size) {
  const n = number(size);
  if (!Number.isFinite(n)) {
    return '–';
  }

  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, n < 1 ? 0 : Math.floor(Math.log2(n) / 10));
  const scaled = n / 1024 ** step;
  return `${step === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[step]}`;
}

/** A node without its incarnation, which only tells programs something. */
export function nodeName(id) {
  return String(id).replace(/#\d+$/, '');
}

/** A sentence in which nodes are called as people call them. */
export function sentence(text) {
  return String(text ?? '').replace(/(:\d+)#\d+/g, '$1');
}

/** "1 worker", "3 workers". */
export function counted(n, what) {
  return `${count(n)} ${what}${n === 1 ? '' : 's'}`;
}

/** Micro-batches [first, end) as people count them. */
export function range(first, end) {
  return end <= first ? 'none' : end - first === 1 ? `${first}` : `${first}–${end - 1}`;
}
