import { SpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  compareTimestamps,
  intersectSpans,
  mergeSpans,
  printDecimal,
  printSpan,
  rowPrefix,
  type Span,
  subtractSpans,
  type Timestamp,
  toHex,
} from '../keys/index.js';

/** A file entry of a manifest as the covering sees it. */
export interface CoverFile {
  readonly path: string;
  readonly localityKv: string;
  readonly span: Span;
  /** Key+value bytes of the entry; what the target size counts. */
  readonly dataBytes: number;
}

export interface CoverLayer {
  readonly startTime: Timestamp;
  readonly endTime: Timestamp;
  readonly spans: readonly Span[];
  /** Spans that this layer holds from time zero (crdb-format.md 7.2). */
  readonly introducedSpans: readonly Span[];
  /** Sorted by span. */
  readonly files: readonly CoverFile[];
  /** End keys of file spans are to be read as inclusive (crdb-format.md 7.5, step 3). */
  readonly endInclusive: boolean;
}

export interface CoverInput {
  readonly spans: readonly Span[];
  /** In chain order. */
  readonly layers: readonly CoverLayer[];
  /** Keys at which a unit must end: rewriting may change the order across them. */
  readonly cutKeys: readonly Uint8Array[];
  /**
   * Data bytes that a unit gathers before it ends. Larger units open fewer files twice; smaller ones spread better over
   * workers. CockroachDB uses 384 MiB for many nodes; 64 MiB keeps two workers even at the end of a small restore.
   */
  readonly targetBytes: number;
  /** Most files of one unit. */
  readonly maxFiles: number;
}

/** One work unit: all keys of `span` from the files of all layers that can hold them. */
export interface RestoreUnit {
  readonly span: Span;
  readonly files: readonly { readonly layer: number; readonly file: number; readonly endInclusive: boolean }[];
  readonly dataBytes: number;
}

/**
 * Refuses a request that some layer does not cover: a span must be covered by the first layer or introduced by a later one,
 * and from then on by every layer.
 * @throws SpanvaultError SV_COVERAGE with CockroachDB's words
 */
export function checkCoverage(spans: readonly Span[], layers: readonly CoverLayer[]): void {
  let owed = mergeSpans(spans);
  for (let index = layers.length - 1; index >= 0; index--) {
    const layer = layers[index]!;
    const [missing] = subtractSpans(owed, layer.spans);
    if (missing !== undefined) {
      const window = `[${printDecimal(layer.startTime)},${printDecimal(layer.endTime)})`;
      throw new SpanvaultError(
        'SV_COVERAGE',
        `no backup covers time ${window} for range ${printSpan(missing)} or backups listed out of order (mismatched start time)`,
      );
    }
    owed = subtractSpans(owed, layer.introducedSpans);
  }
}

/**
 * Cuts the requested spans into work units (crdb-format.md 7.5).
 *
 *     layer 0:  [a──────f)[f────────m)      [p──s)
 *     layer 1:       [c──h)
 *     request:  [a───────────────────────────────z)
 *     units:    [a──c) [c──f) [f──p) [p──z)   when every file is about the target size
 *
 * (`test/restore/testdata/cover.txt` holds this example.) Units are disjoint, in key order, and together exactly the request.
 */
export function coverSpans(input: CoverInput): RestoreUnit[] {
  checkCoverage(input.spans, input.layers);
  // A unit lies wholly inside or wholly outside of an introduced span, so that the choice of layers holds for all of it.
  const introduced = input.layers.flatMap((layer, index) =>
    index === 0 ? [] : layer.introducedSpans.map((span) => ({ span, layer: index })),
  );
  const ends = input.layers.flatMap(({ introducedSpans }) =>
    introducedSpans.flatMap(({ key, endKey }) => [key, endKey]),
  );
  const mandatory = [...input.cutKeys, ...ends];
  const forced = new Set(mandatory.map(toHex));
  const plan: Plan = { input, introduced, mandatory, forced, sweep: new FileSweep(input.layers) };
  return mergeSpans(input.spans).flatMap((span) => coverOne(span, plan));
}

interface Plan {
  readonly input: CoverInput;
  /** Introduced spans of all layers but the first, with the layer's number, in chain order. */
  readonly introduced: readonly { readonly span: Span; readonly layer: number }[];
  /** Keys at which a unit must end. */
  readonly mandatory: readonly Uint8Array[];
  /** The same as hexadecimal text. */
  readonly forced: ReadonlySet<string>;
  readonly sweep: FileSweep;
}

function coverOne(span: Span, { input, introduced, mandatory, forced, sweep }: Plan): RestoreUnit[] {
  let bytes = 0;
  let files = 0;
  const count = (begun: readonly Candidate[]): void => {
    for (const candidate of begun) {
      if (!reaches(candidate, span.key)) continue;
      bytes += candidate.dataBytes;
      files += 1;
    }
  };
  sweep.begin(span.key);
  sweep.drop(span.key);
  count(sweep.active);
  // A file of another writer may begin inside a row; a unit never does.
  const cuts = [...sweep.startsBefore(span.endKey).map(rowPrefix), ...mandatory]
    .filter((key) => compareBytes(span.key, key) < 0 && compareBytes(key, span.endKey) < 0)
    .sort(compareBytes);
  const units: RestoreUnit[] = [];
  let start = span.key;
  for (const cut of [...cuts, span.endKey]) {
    if (compareBytes(start, cut) >= 0) continue;
    count(sweep.begin(cut));
    const atEnd = cut === span.endKey;
    const full = bytes >= input.targetBytes || files >= input.maxFiles;
    if (!atEnd && !full && !forced.has(toHex(cut))) continue;
    sweep.drop(start);
    const unit = makeUnit({ key: start, endKey: cut }, sweep.active, input.layers, introduced);
    if (unit.files.length > 0) units.push(unit);
    start = cut;
    bytes = 0;
    files = 0;
  }
  return units;
}

interface Candidate {
  readonly layer: number;
  readonly file: number;
  readonly span: Span;
  readonly dataBytes: number;
  readonly endInclusive: boolean;
}

/** A file may hold keys at or after `key`. */
function reaches({ span, endInclusive }: Candidate, key: Uint8Array): boolean {
  const reach = compareBytes(span.endKey, key);
  return reach > 0 || (endInclusive && reach === 0);
}

/** The files of all layers by where they begin, walked once: what a unit overlaps is among those that have begun and not ended. */
class FileSweep {
  readonly #starts: readonly Candidate[];
  #next = 0;
  /** Files that have begun and that `drop` has not found ended. */
  active: Candidate[] = [];

  constructor(layers: readonly CoverLayer[]) {
    const all = layers.flatMap(({ files, endInclusive }, layer) =>
      files.map(({ span, dataBytes }, file): Candidate => ({ layer, file, span, dataBytes, endInclusive })),
    );
    this.#starts = all.sort((a, b) => compareBytes(a.span.key, b.span.key));
  }

  /** Takes up the files that begin before `key`, and tells them. Keys only grow from call to call. */
  begin(key: Uint8Array): readonly Candidate[] {
    const from = this.#next;
    while (this.#next < this.#starts.length && compareBytes(this.#starts[this.#next]!.span.key, key) < 0) this.#next++;
    const begun = this.#starts.slice(from, this.#next);
    // One by one: a call takes no hundred thousand arguments, and so many files may begin before the first span.
    for (const candidate of begun) this.active.push(candidate);
    return begun;
  }

  /** Forgets the files that hold nothing at or after `key`. */
  drop(key: Uint8Array): void {
    this.active = this.active.filter((candidate) => reaches(candidate, key));
  }

  /** First keys, each once, of files not taken up yet that begin before `key`. */
  startsBefore(key: Uint8Array): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (let at = this.#next; at < this.#starts.length; at++) {
      const start = this.#starts[at]!.span.key;
      if (compareBytes(start, key) >= 0) break;
      const last = keys.at(-1);
      if (last === undefined || compareBytes(last, start) < 0) keys.push(start);
    }
    return keys;
  }
}

/** The files of a unit; layers that end before the span was reintroduced do not count (crdb-format.md 7.5, step 2). */
function makeUnit(
  span: Span,
  overlapping: readonly Candidate[],
  layers: readonly CoverLayer[],
  introduced: Plan['introduced'],
): RestoreUnit {
  const first = introduced.findLast((one) => intersectSpans(one.span, span) !== undefined)?.layer ?? 0;
  const floor = layers[first]!.endTime;
  const files = overlapping
    .filter(({ layer }) => compareTimestamps(layers[layer]!.endTime, floor) >= 0)
    .sort((a, b) => a.layer - b.layer || a.file - b.file);
  return {
    span,
    files: files.map(({ layer, file, endInclusive }) => ({ layer, file, endInclusive })),
    dataBytes: files.reduce((sum, file) => sum + file.dataBytes, 0),
  };
}
