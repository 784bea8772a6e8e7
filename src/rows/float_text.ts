/*
 * FLOAT as CockroachDB prints it: Go's %g. Casts to STRING use a number of significant digits that the session sets;
 * values inside arrays and tuples the shortest exact form, with one decimal for small whole numbers.
 */

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return undefined;
}

/** Digits without trailing zeros, and the power of ten of the first digit. */
interface Digits {
  readonly negative: boolean;
  readonly digits: string;
  readonly power: number;
}

function split(exponential: string): Digits {
  const [mantissa, power] = exponential.split('e') as [string, string];
  const negative = mantissa.startsWith('-');
  const digits = mantissa.replace('-', '').replace('.', '').replace(/0+$/, '');
  return { negative, digits: digits === '' ? '0' : digits, power: Number(power) };
}

/** Go's layout of %g: exponent form below 1e-4 and from 10^limit on. */
function layout(value: Digits, limit: number): string {
  const { negative, digits, power } = value;
  if (power >= -4 && power < limit) return plainLayout(value);
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  const size = Math.abs(power);
  return `${negative ? '-' : ''}${digits[0]}${fraction}e${power < 0 ? '-' : '+'}${size < 10 ? `0${size}` : size}`;
}

/** Go's layout of %f with as many digits as there are. */
function plainLayout({ negative, digits, power }: Digits): string {
  const sign = negative ? '-' : '';
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  if (digits.length <= power + 1) return `${sign}${digits}${'0'.repeat(power + 1 - digits.length)}`;
  return `${sign}${digits.slice(0, power + 1)}.${digits.slice(power + 1)}`;
}

/** Significant digits of a cast in a client's session (extra_float_digits = 2 there). */
export const SESSION_FLOAT_DIGITS = 17;
/** Significant digits in statements that the server runs for itself, fingerprints among them. */
export const INTERNAL_FLOAT_DIGITS = 15;

/** `value` rounded to `count` digits, ties to even as Go does; toExponential alone rounds ties away from zero. */
function rounded(value: number, count: number): string {
  const near = value.toExponential(count - 1);
  const exact = value.toExponential(60);
  const cut = exact.indexOf('.') + count;
  const power = exact.indexOf('e');
  if (!/^50*$/.test(exact.slice(cut, power))) return near;
  const truncated = exact.slice(0, cut);
  return Number(truncated.at(-1)) % 2 === 0 ? truncated + exact.slice(power) : near;
}

/** `value::STRING` with at most `count` significant digits. */
export function floatText(value: number, count = SESSION_FLOAT_DIGITS): string {
  const text = special(value);
  if (text !== undefined) return text;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const digits = split(rounded(value, count));
  const limit = digits.digits.length >= digits.power + 1 ? digits.digits.length : count;
  return layout(digits, limit);
}

/** A FLOAT inside an array or tuple. */
export function floatElementText(value: number): string {
  const text = special(value);
  if (value === 0) return `${text}.0`;
  if (text !== undefined) return text;
  if (Number.isInteger(value) && Math.abs(value) < 1_000_000) return `${value}.0`;
  return layout(split(value.toExponential()), 6);
}

/** A corner of BOX2D: the shortest exact form, never with an exponent. */
export function floatPlainText(value: number): string {
  return special(value) ?? plainLayout(split(value.toExponential()));
}
