import { SpanvaultError } from '../fault/index.js';

/*
 * SQL names as CockroachDB prints and reads them: bare when they are lower-case identifiers and no reserved word, else
 * in double quotes.
 */

/** Words of CockroachDB's grammar that must be quoted as a name: reserved words, and those of functions, types and columns. */
const RESERVED = new Set(
  `all analyse analyze and annotate_type any array as asc asymmetric authorization between bigint bit boolean both
  box2d case cast char character characteristics check coalesce collate collation column concurrently constraint
  create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user
  dec decimal default deferrable desc distinct do else end except exists extract extract_duration false family fetch
  float for foreign from full geography geometry grant greatest group grouping having if iferror ifnull ilike in
  index initially inner int integer intersect interval into is iserror isnull join lateral leading least left like
  limit localtime localtimestamp natural none not nothing notnull null nullif numeric offset on only or order out
  outer overlaps overlay placing point polygon position precision primary real references returning right row select
  session_user similar smallint some string substring symmetric table then time timestamp timestamptz timetz to
  trailing treat trim true union unique user using values varbit varchar variadic virtual when where window with
  work`.split(/\s+/),
);

const BARE_NAME = /^[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*$/;

/** A name as CockroachDB prints it. */
export function quoteName(name: string): string {
  if (BARE_NAME.test(name) && !RESERVED.has(name)) return name;
  return `"${name.replaceAll('"', '""')}"`;
}

/** A name where the grammar takes reserved words too, as for the index of `t@index`. */
export function quoteUnrestrictedName(name: string): string {
  return BARE_NAME.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A dotted SQL name or pattern; `*` stands alone as the last part. */
export interface NamePattern {
  readonly parts: readonly string[];
  readonly all: boolean;
  /** The text that was parsed, for messages. */
  readonly text: string;
}

const PART = /\s*(?:"((?:[^"]|"")*)"|([\p{L}_][\p{L}\p{N}_$-]*)|(\*))\s*(\.|$)/uy;

/**
 * Parses `t`, `db.t`, `db.schema.t`, `db.*`, `db.schema.*`, `*`. Bare parts fold to lower case.
 * @throws SpanvaultError SV_SYNTAX
 */
export function parseNamePattern(text: string): NamePattern {
  const parts: string[] = [];
  let all = false;
  PART.lastIndex = 0;
  for (let separator = '.'; separator === '.'; ) {
    const match = PART.exec(text);
    const [, quoted, bare, star, next] = match ?? [];
    if (match === null || all || parts.length === 3 || (star !== undefined && next === '.')) {
      throw new SpanvaultError('SV_SYNTAX', `invalid table name: ${JSON.stringify(text)}`);
    }
    if (star !== undefined) all = true;
    else parts.push(quoted === undefined ? (bare ?? '').toLowerCase() : quoted.replaceAll('""', '"'));
    separator = next ?? '';
  }
  return { parts, all, text };
}
