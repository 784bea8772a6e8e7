import { hasCode, SpanvaultError } from '../fault/index.js';
import type { ListedObject } from './contract.js';
import { compareNames, cutName } from './names.js';

/** One page of a store's listing: objects, and names that the store cut at a delimiter; full names in the bucket. */
export interface ListedPage {
  readonly objects: readonly ListedObject[];
  readonly cutNames: readonly string[];
}

/** The delimiter to ask the store for: one of several characters is not understood everywhere, so it is applied here. */
export function storeDelimiter(delimiter: string | undefined): string | undefined {
  return delimiter?.length === 1 ? delimiter : undefined;
}

/**
 * The pages of a store's listing as the contract wants them: in byte order, relative to the location, each cut name once.
 * The object that copy tools make for the location itself has no name in it and is left out.
 * @param under what the names of the location's objects begin with
 */
export async function* listPages(
  pages: AsyncIterable<ListedPage>,
  under: string,
  prefix: string,
  delimiter: string | undefined,
): AsyncIterable<ListedObject> {
  let last: string | undefined;
  for await (const { objects, cutNames } of pages) {
    const all = [...objects, ...cutNames.map((name) => ({ name, bytes: undefined }))];
    // Stores give the two apart, and Azure orders characters beyond the 16-bit ones differently.
    all.sort((a, b) => compareNames(a.name, b.name));
    for (const { name, ...told } of all) {
      if (name === under) continue;
      const full = name.slice(under.length);
      const cut = cutName(full, prefix, delimiter);
      if (cut !== last) yield cut === full ? { ...told, name: cut } : { name: cut, bytes: undefined };
      last = cut;
    }
  }
}

/** The error of listing a store that gives objects by name only; `what` is the action and the place: `listing https://host/a`. */
export function unlistable(what: string): SpanvaultError {
  return new SpanvaultError(
    'SV_NOT_SUPPORTED',
    `${what} failed: this storage reads objects by name and does not list them`,
    {
      details: { reason: 'listing' },
    },
  );
}

/** True for the error of listing a store that gives objects by name only. */
export function isUnlistable(error: unknown): boolean {
  return hasCode(error, 'SV_NOT_SUPPORTED') && error.details.reason === 'listing';
}
