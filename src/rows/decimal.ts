import { SpanvaultError } from '../fault/index.js';
import type { Decimal } from './datum.js';

export const DECIMAL_NAN: Decimal = { kind: 'decimal', form: 'nan', negative: false, coefficient: 0n, exponent: 0 };
export const DECIMAL_INFINITY: Decimal = {
  kind: 'decimal',
  form: 'infinite',
  negative: false,
  coefficient: 0n,
  exponent: 0,
};
export const DECIMAL_NEGATIVE_INFINITY: Decimal = {
  kind: 'decimal',
  form: 'infinite',
  negative: true,
  coefficient: 0n,
  exponent: 0,
};

export function makeDecimal(negative: boolean, coefficient: bigint, exponent: number): Decimal {
  return { kind: 'decimal', form: 'finite', negative, coefficient, exponent };
}

/** The same value with the other sign; NaN stays NaN. */
export function negateDecimal(value: Decimal): Decimal {
  return value.form === 'nan' ? value : { ...value, negative: !value.negative };
}

/** Text as CockroachDB prints it: plain when the exponent is not positive and the value at least 1E-6, else scientific. */
export function decimalText(value: Decimal): string {
  if (value.form === 'nan') return 'NaN';
  const sign = value.negative ? '-' : '';
  if (value.form === 'infinite') return `${sign}Infinity`;
  const digits = value.coefficient.toString();
  const { exponent } = value;
  if (exponent === 0) return sign + digits;
  const adjusted = exponent + digits.length - 1;
  if (exponent < 0 && adjusted >= -6) {
    const point = digits.length + exponent;
    if (point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
    return `${sign}0.${'0'.repeat(-point)}${digits}`;
  }
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${sign}${digits[0]}${fraction}E${adjusted < 0 ? '-' : '+'}${Math.abs(adjusted)}`;
}

const DECIMAL_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,10}))?$/;

/** Exponents beyond this are refused, as CockroachDB does. */
const MAX_EXPONENT = 100_000;

/** Parses a decimal literal exactly. @throws SpanvaultError SV_USAGE */
export function parseDecimal(text: string): Decimal {
  const trimmed = text.trim();
  const match = DECIMAL_TEXT.exec(trimmed);
  if (match === null || (match[2] === '' && (match[3] ?? '') === '')) {
    const special = /^([+-]?)(nan|inf|infinity)$/i.exec(trimmed);
    if (special === null)
      throw new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as type decimal`);
    if (special[2]!.toLowerCase() === 'nan') return DECIMAL_NAN;
    return special[1] === '-' ? DECIMAL_NEGATIVE_INFINITY : DECIMAL_INFINITY;
  }
  const fraction = match[3] ?? '';
  const exponent = Number(match[4] ?? '0') - fraction.length;
  if (Math.abs(exponent) > MAX_EXPONENT) {
    throw new SpanvaultError(
      'SV_USAGE',
      `could not parse ${JSON.stringify(text)} as type decimal: exponent out of range`,
    );
  }
  return makeDecimal(match[1] === '-', BigInt(`${match[2]}${fraction}`), exponent);
}

/**
 * Rounds half up to `scale` fractional digits and checks that at most `precision` digits remain, as DECIMAL(p,s) does;
 * precision 0 means any. @throws SpanvaultError SV_CONSTRAINT
 */
export function limitDecimal(value: Decimal, precision: number, scale: number): Decimal {
  if (value.form !== 'finite' || precision === 0) return value;
  let { coefficient } = value;
  if (value.exponent < -scale) {
    const drop = 10n ** BigInt(-scale - value.exponent);
    coefficient = (coefficient + drop / 2n) / drop;
  } else {
    coefficient *= 10n ** BigInt(value.exponent + scale);
  }
  if (coefficient.toString().length > precision && coefficient !== 0n) {
    const whole = precision - scale;
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `value with precision ${precision}, scale ${scale} must round to an absolute value less than ${whole === 0 ? '1' : `10^${whole}`}`,
    );
  }
  return makeDecimal(value.negative, coefficient, -scale);
}
