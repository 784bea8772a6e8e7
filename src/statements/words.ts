/** Words that cannot be names without quotes, as in CockroachDB, as far as the grammar meets them. */
const RESERVED: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric both case cast check collate column concurrently constraint create
  current_catalog current_date current_role current_schema current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral leading limit
  localtime localtimestamp not null offset on only or order placing primary references returning select session_user some
  symmetric table then to trailing true union unique user using values variadic when where window with`.split(/\s+/),
);

/** True when the (lower-case) word needs quotes to be a name. */
export function isReserved(word: string): boolean {
  return RESERVED.has(word);
}

/** A name as SQL writes it: quoted only when it must be. */
export function printName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) && !isReserved(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A dotted name. */
export function printPath(parts: readonly string[]): string {
  return parts.map(printName).join('.');
}

/** A table pattern: a dotted name whose last part may be the star. */
export function printPattern(parts: readonly string[]): string {
  return parts.map((part) => (part === '*' ? '*' : printName(part))).join('.');
}

/** A string literal. */
export function printString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
