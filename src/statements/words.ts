import { quoteName } from '../catalog/index.js';

/** Words that cannot be names without quotes, as in CockroachDB, as far as the grammar meets them. */
const RESERVED: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric both case cast check collate column concurrently constraint create
  current_catalog current_date current_role current_schema current_time current_timestamp current_user default deferrable desc
  distinct do else end except false family fetch for foreign from grant group having in index initially intersect into lateral leading limit
  localtime localtimestamp not null offset on only or order placing primary references returning select session_user some
  symmetric table then to trailing true union unique user using values variadic when where window with`.split(/\s+/),
);

/** True when the (lower-case) word needs quotes to be a name. */
export function isReserved(word: string): boolean {
  return RESERVED.has(word);
}

/** A dotted name or pattern as SQL writes it; a pattern's last part may be the star. */
export function printName(parts: readonly string[]): string {
  return parts.map((part) => (part === '*' ? part : quoteFolding(part))).join('.');
}

/** Names that folding to lower case would change need quotes too. */
function quoteFolding(name: string): string {
  return name === foldName(name) ? quoteName(name) : `"${name.replaceAll('"', '""')}"`;
}

/** An unquoted name as it is looked up. */
export function foldName(name: string): string {
  return name.toLowerCase().normalize('NFC');
}

/** A string literal. */
export function printString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
