const SECOND = 1_000_000_000n;
const DAY = 86_400n * SECOND;

/** Unit names of an interval, each with its nanoseconds; months count 30 days and years 12 months, as in PostgreSQL's epoch. */
const UNITS: readonly (readonly [pattern: RegExp, nanos: bigint])[] = [
  [/^(?:ns|nsecs?|nanoseconds?)$/, 1n],
  [/^(?:us|µs|usecs?|microseconds?)$/, 1000n],
  [/^(?:ms|msecs?|milliseconds?)$/, 1_000_000n],
  [/^(?:s|secs?|seconds?)$/, SECOND],
  [/^(?:m|mins?|minutes?)$/, 60n * SECOND],
  [/^(?:h|hrs?|hours?)$/, 3600n * SECOND],
  [/^(?:d|days?)$/, DAY],
  [/^(?:w|weeks?)$/, 7n * DAY],
  [/^(?:mons?|months?)$/, 30n * DAY],
  [/^(?:y|yrs?|years?)$/, 360n * DAY],
];

/**
 * Nanoseconds of `-10s`, `-1h30m`, `-1.5 days`, `-00:00:10`, `-1 day -2:30`; undefined when the text is no interval. A sign
 * holds for every number behind it until the next sign, as in Go's durations.
 */
export function parseInterval(text: string): bigint | undefined {
  const part = /\s*([+-])?\s*(?:(\d+):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?|(\d+)(?:\.(\d{1,18}))?\s*([a-zµ]+))\s*/iy;
  let total = 0n;
  let sign = 1n;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (match === null) return undefined;
    if (match[1] !== undefined) sign = match[1] === '-' ? -1n : 1n;
    const nanos =
      match[2] !== undefined ? clockNanos(match) : unitNanos(match[6]!, match[7] ?? '', match[8]!.toLowerCase());
    if (nanos === undefined) return undefined;
    total += sign * nanos;
  }
  return text.trim() === '' ? undefined : total;
}

function clockNanos(match: RegExpExecArray): bigint {
  const seconds = BigInt(match[2]!) * 3600n + BigInt(match[3]!) * 60n + BigInt(match[4] ?? '0');
  return seconds * SECOND + BigInt((match[5] ?? '').padEnd(9, '0'));
}

function unitNanos(whole: string, fraction: string, unit: string): bigint | undefined {
  const row = UNITS.find(([pattern]) => pattern.test(unit));
  if (row === undefined) return undefined;
  return (BigInt(whole + fraction) * row[1]) / 10n ** BigInt(fraction.length);
}
