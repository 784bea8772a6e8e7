import { remoteFault } from './remote_faults.js';

/** Where the pages of one listing begin, by the store's word: each must be a new one, or the listing would never end. */
export class PageMarkers {
  readonly #what: string;
  readonly #seen = new Set<string>();

  /** @param what the action and the place: `listing s3://bucket/a` */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * The marker of the next page; undefined behind the last one.
   * @param more whether the store says that there is another page, where it says so apart from the marker
   * @throws SpanvaultError SV_STORAGE_IO when it gives a marker twice, or none though there is more
   */
  next(marker: string | undefined, more = marker !== undefined && marker !== ''): string | undefined {
    if (!more) return undefined;
    if (marker === undefined || marker === '')
      throw remoteFault({ kind: 'permanent', reason: 'the store has more names and does not say where' }, this.#what);
    if (this.#seen.has(marker)) {
      const reason = `after ${this.#seen.size} pages the store sent it back to one that it had given`;
      throw remoteFault({ kind: 'permanent', reason }, this.#what);
    }
    this.#seen.add(marker);
    return marker;
  }
}
