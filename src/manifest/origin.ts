/*
 * How unknown fields and presence survive: a decoded object carries the protobuf message that it was decoded from and
 * what that message looked like. Encoding copies from the message whatever has not been replaced since.
 */

const ORIGIN = Symbol('spanvault.manifest.origin');

interface Origin {
  readonly message: object;
  /** The plain object as decoded; compared field by field, by identity. */
  readonly view: object;
}

/** Attaches the message that `view` was decoded from; spreads copy it along. */
export function rememberOrigin<T extends object>(view: T, message: object): T {
  const remembered = { ...view } as T & { [ORIGIN]?: Origin };
  remembered[ORIGIN] = { message, view };
  return remembered;
}

/** Per field: from the plain value to the message's value; undefined leaves the field out. */
export type Converters<T> = { readonly [K in keyof T]: (value: T[K]) => unknown };

/**
 * Fills a new message from a plain object. Fields that are still what was decoded are taken from the original message
 * with its presence; fields in `carried`, which plain objects do not show, and unknown fields always are.
 */
export function rebuild<T extends object, M extends object>(
  plain: T,
  message: M,
  convert: Converters<T>,
  carried: readonly string[] = [],
): M {
  const origin = (plain as { [ORIGIN]?: Origin })[ORIGIN];
  const target = message as Record<string, unknown>;
  const from = origin?.message as Record<string, unknown> | undefined;
  const view = origin?.view as Partial<T> | undefined;
  for (const field of Object.keys(convert) as (keyof T & string)[]) {
    if (from !== undefined && view !== undefined && plain[field] === view[field]) copyField(from, target, field);
    else {
      const value = convert[field](plain[field]);
      if (value !== undefined) target[field] = value;
    }
  }
  if (from === undefined) return message;
  for (const field of carried) copyField(from, target, field);
  const unknowns = from.$unknowns;
  // Not enumerable in decoded messages, so that it stays out of their JSON; the encoder asks for an own property.
  if (unknowns !== undefined)
    Object.defineProperty(target, '$unknowns', { value: unknowns, configurable: true, writable: true });
  return message;
}

function copyField(from: Record<string, unknown>, target: Record<string, unknown>, field: string): void {
  if (Object.hasOwn(from, field)) target[field] = from[field];
}
