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

/** First index of sorted `files` whose span may reach into keys at or after `key`, given the longest reach so far. */
function filesOverlapping(layer: CoverLayer, span: Span): number[] {
  const hits: number[] = [];
  for (let index = 0; index < layer.files.length; index++) {
    const file = layer.files[index]!.span;
    if (compareBytes(file.key, span.endKey) >= 0) break;
    const reach = compareBytes(file.endKey, span.key);
    if (reach > 0 || (layer.endInclusive && reach === 0)) hits.push(index);
  }
  return hits;
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
  return mergeSpans(input.spans).flatMap((span) => coverOne(span, input));
}

interface Candidate {
  readonly layer: number;
  readonly file: number;
  readonly span: Span;
  readonly dataBytes: number;
}

function coverOne(span: Span, input: CoverInput): RestoreUnit[] {
  const candidates: Candidate[] = input.layers.flatMap((layer, index) =>
    filesOverlapping(layer, span).map((file) => ({
      layer: index,
      file,
      span: layer.files[file]!.span,
      dataBytes: layer.files[file]!.dataBytes,
    })),
  );
  // A unit lies wholly inside or wholly outside of an introduced span, so that the choice of layers holds for all of it.
  const introduced = input.layers.flatMap((layer) => layer.introducedSpans.flatMap(({ key, endKey }) => [key, endKey]));
  const mandatory = [...input.cutKeys, ...introduced];
  const forced = new Set(mandatory.map(toHex));
  // A file of another writer may begin inside a row; a unit never does.
  const cuts = [...candidates.map((candidate) => rowPrefix(candidate.span.key)), ...mandatory]
    .filter((key) => compareBytes(span.key, key) < 0 && compareBytes(key, span.endKey) < 0)
    .sort(compareBytes);
  const units: RestoreUnit[] = [];
  let start = span.key;
  let bytes = 0;
  let files = 0;
  const starts = [...candidates].sort((a, b) => compareBytes(a.span.key, b.span.key));
  let nextStart = 0;
  for (const cut of [...cuts, span.endKey]) {
    for (; nextStart < starts.length && compareBytes(starts[nextStart]!.span.key, cut) < 0; nextStart++) {
      bytes += starts[nextStart]!.dataBytes;
      files += 1;
    }
    const atEnd = cut === span.endKey;
    const full = bytes >= input.targetBytes || files >= input.maxFiles;
    if (!atEnd && !full && !forced.has(toHex(cut))) continue;
    if (compareBytes(start, cut) >= 0) continue;
    units.push(makeUnit({ key: start, endKey: cut }, candidates, input.layers));
    start = cut;
    bytes = 0;
    files = 0;
  }
  return units.filter((unit) => unit.files.length > 0);
}

/** The files of a unit; layers that end before the span was reintroduced do not count (crdb-format.md 7.5, step 2). */
function makeUnit(span: Span, candidates: readonly Candidate[], layers: readonly CoverLayer[]): RestoreUnit {
  let first = 0;
  layers.forEach((layer, index) => {
    if (index > 0 && layer.introducedSpans.some((introduced) => intersectSpans(introduced, span) !== undefined))
      first = index;
  });
  const floor = layers[first]!.endTime;
  const files = candidates.filter(({ layer, span: fileSpan }) => {
    const { endTime, endInclusive } = layers[layer]!;
    if (compareTimestamps(endTime, floor) < 0) return false;
    const reach = compareBytes(fileSpan.endKey, span.key);
    return compareBytes(fileSpan.key, span.endKey) < 0 && (reach > 0 || (endInclusive && reach === 0));
  });
  return {
    span,
    files: files.map(({ layer, file }) => ({ layer, file, endInclusive: layers[layer]!.endInclusive })),
    dataBytes: files.reduce((sum, file) => sum + file.dataBytes, 0),
  };
}
