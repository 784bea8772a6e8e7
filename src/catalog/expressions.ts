import { typeIdOfOid, USER_TYPE_OID_BASE } from './dependencies.js';
import { quoteName } from './names.js';

/*
 * Ids and database names inside SQL texts of descriptors. Texts are cut into literals and the rest, so that what
 * stands inside a string or a quoted name is never touched; everything else stays as it is.
 */

/** String literals (also E'' and b''), quoted names, and the text between them. */
const PIECES = /[eEbB]?'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|[^'"]+|['"]/gs;

/** Applies `map` to what is neither a string literal nor a quoted name. */
export function mapOutsideLiterals(text: string, map: (piece: string) => string): string {
  return text.replace(PIECES, (piece) => (/^(?:[eEbB]?'|")/.test(piece) ? piece : map(piece)));
}

/**
 * Replaces what a serialized expression refers to by id: sequences `52:::REGCLASS`, user-defined types `@100053`,
 * user-defined functions `[FUNCTION 100104]`. Ids that `ids` does not hold stay.
 */
export function rewriteExpressionIds(expression: string, ids: ReadonlyMap<number, number>): string {
  const oid = (text: string): string => {
    const id = typeIdOfOid(Number(text));
    const mapped = id === undefined ? undefined : ids.get(id);
    return mapped === undefined ? text : String(mapped + USER_TYPE_OID_BASE);
  };
  return mapOutsideLiterals(expression, (piece) =>
    piece
      .replace(
        /\b(\d+)(\s*:::?\s*REGCLASS\b)/gi,
        (_, id: string, rest: string) => `${ids.get(Number(id)) ?? id}${rest}`,
      )
      .replace(/@(\d+)\b/g, (_, number: string) => `@${oid(number)}`)
      .replace(
        /(\[FUNCTION )(\d+)(\])/g,
        (_, open: string, number: string, close: string) => `${open}${oid(number)}${close}`,
      ),
  );
}

/** One part of a dotted name. */
const NAME = String.raw`(?:"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*)`;
const QUALIFIED = new RegExp(
  String.raw`[eEbB]?'(?:[^'\\]|''|\\.)*'|(?<![\p{L}\p{N}_$."])(${NAME})((?:\.${NAME}){2,3})(?!\.|\()`,
  'gu',
);

/**
 * Replaces the database of every fully qualified name (`db.schema.table`) of a view query when it is one of `names`.
 */
export function renameDatabases(query: string, names: ReadonlySet<string>, newName: string): string {
  return query.replace(QUALIFIED, (whole: string, first: string | undefined, rest: string | undefined) => {
    if (first === undefined || rest === undefined) return whole;
    const name = first.startsWith('"') ? first.slice(1, -1).replaceAll('""', '"') : first.toLowerCase();
    return names.has(name) ? `${quoteName(newName)}${rest}` : whole;
  });
}
