import { SpanvaultError } from '../fault/index.js';
import {
  compareBytes,
  compareSpans,
  compareTimestamps,
  equalBytes,
  isEmptyTimestamp,
  printDecimal,
  printSpan,
  subtractSpans,
  type Timestamp,
} from '../keys/index.js';
import { checkName } from '../storage/index.js';
import { type FileRecord, fileTimes, type Manifest, type PartitionDescriptor } from './model.js';

/** A property of a manifest: undefined when it holds, else what is wrong, as the end of a sentence. */
export interface Invariant {
  readonly name: string;
  /** Checked after reads too; the others only before a write, because old or foreign writers do not promise them. */
  readonly onRead: boolean;
  violation(manifest: Manifest): string | undefined;
}

function isRelative(path: string): boolean {
  try {
    checkName(path);
    return true;
  } catch {
    // The only failure of checkName is that the name is none.
    return false;
  }
}

function uuidViolation(what: string, id: Uint8Array, required: boolean): string | undefined {
  if (id.length === 16 || (id.length === 0 && !required)) return undefined;
  return `its ${what} has ${id.length} bytes and not 16`;
}

function orderOf(a: FileRecord, b: FileRecord): number {
  return compareSpans(a.span, b.span);
}

/** Two files of a layer overlap in span and time: which of them a reader uses would be undefined. */
function overlapViolation(manifest: Manifest): string | undefined {
  const open: { readonly file: FileRecord; readonly start: Timestamp; readonly end: Timestamp }[] = [];
  for (const file of [...manifest.files].sort(orderOf)) {
    const { startTime, endTime } = fileTimes(file, manifest);
    for (let index = open.length - 1; index >= 0; index--) {
      const other = open[index]!;
      if (compareBytes(other.file.span.endKey, file.span.key) <= 0) open.splice(index, 1);
      else if (compareTimestamps(other.start, endTime) < 0 && compareTimestamps(startTime, other.end) < 0) {
        return `its files ${other.file.path} and ${file.path} overlap in ${printSpan(file.span)}`;
      }
    }
    open.push({ file, start: startTime, end: endTime });
  }
  return undefined;
}

/** Every named invariant, in the order of checking. */
export const MANIFEST_INVARIANTS: readonly Invariant[] = [
  {
    name: 'ids',
    onRead: true,
    violation: (manifest) =>
      uuidViolation('cluster_id', manifest.clusterId, false) ?? uuidViolation('id', manifest.id, false),
  },
  {
    name: 'ids present',
    onRead: false,
    violation: (manifest) =>
      uuidViolation('cluster_id', manifest.clusterId, true) ?? uuidViolation('id', manifest.id, true),
  },
  {
    name: 'times',
    onRead: true,
    violation({ startTime, endTime }) {
      if (
        !isEmptyTimestamp(endTime) &&
        endTime.wall > 0n &&
        compareTimestamps(startTime, endTime) < 0 &&
        startTime.wall >= 0n
      )
        return undefined;
      return `it covers (${printDecimal(startTime)}, ${printDecimal(endTime)}]`;
    },
  },
  {
    name: 'spans not inverted',
    onRead: true,
    violation(manifest) {
      const all = [...manifest.spans, ...manifest.introducedSpans, ...manifest.files.map((file) => file.span)];
      // An empty end key stands for the one key.
      const bad = all.find((span) => span.endKey.length > 0 && compareBytes(span.key, span.endKey) >= 0);
      return bad === undefined ? undefined : `it has the inverted span ${printSpan(bad)}`;
    },
  },
  {
    name: 'paths inside the layer',
    onRead: true,
    violation(manifest) {
      const bad = manifest.files.find((file) => !isRelative(file.path));
      if (bad !== undefined) return `its file path ${JSON.stringify(bad.path)} leads out of the layer`;
      const names = [...manifest.partitionDescriptorFilenames, ...manifest.statisticsFilenames.values()];
      const name = names.find((other) => !isRelative(other) || other.includes('/'));
      return name === undefined ? undefined : `its metadata file name ${JSON.stringify(name)} leads out of the layer`;
    },
  },
  {
    name: 'localities parallel',
    onRead: true,
    violation({ partitionDescriptorFilenames: names, localityKvs }) {
      if (names.length !== localityKvs.length)
        return `it names ${names.length} partition descriptors and ${localityKvs.length} localities`;
      return new Set(names).size === names.length ? undefined : 'it names a partition descriptor twice';
    },
  },
  {
    name: 'spans sorted and disjoint',
    onRead: false,
    violation({ spans }) {
      const bad = spans.findIndex((span, index) => index > 0 && compareBytes(spans[index - 1]!.endKey, span.key) > 0);
      return bad < 0 ? undefined : `its span ${printSpan(spans[bad]!)} is out of order`;
    },
  },
  {
    name: 'files sorted',
    onRead: false,
    violation({ files }) {
      const bad = files.findIndex((file, index) => index > 0 && orderOf(files[index - 1]!, file) > 0);
      return bad < 0 ? undefined : `its file ${files[bad]!.path} is out of order`;
    },
  },
  { name: 'files disjoint in span and time', onRead: false, violation: overlapViolation },
  {
    name: 'files covered by spans',
    onRead: false,
    violation(manifest) {
      const [outside] = subtractSpans(
        manifest.files.map((file) => file.span),
        manifest.spans,
      );
      return outside === undefined ? undefined : `it has files for ${printSpan(outside)}, which its spans do not cover`;
    },
  },
  {
    name: 'files in known localities',
    onRead: false,
    violation({ files, localityKvs }) {
      const known = new Set(['', ...localityKvs]);
      const bad = files.find((file) => !known.has(file.localityKv));
      return bad === undefined ? undefined : `its file ${bad.path} lies in the unknown locality ${bad.localityKv}`;
    },
  },
];

/** Checks a manifest that was read. @throws SpanvaultError SV_CORRUPT_MANIFEST naming the invariant */
export function checkRead(manifest: Manifest, name: string): void {
  check(
    manifest,
    (invariant) => invariant.onRead,
    (invariant, problem) => {
      throw new SpanvaultError('SV_CORRUPT_MANIFEST', `${name} is damaged: ${problem}`, { details: { invariant } });
    },
  );
}

/** Checks a manifest before it is written. @throws SpanvaultError SV_INTERNAL naming the invariant */
export function checkWrite(manifest: Manifest): void {
  check(
    manifest,
    () => true,
    (invariant, problem) => {
      throw new SpanvaultError('SV_INTERNAL', `the manifest to write breaks the invariant "${invariant}": ${problem}`);
    },
  );
}

function check(
  manifest: Manifest,
  which: (invariant: Invariant) => boolean,
  fail: (invariant: string, problem: string) => never,
): void {
  for (const invariant of MANIFEST_INVARIANTS) {
    if (!which(invariant)) continue;
    const problem = invariant.violation(manifest);
    if (problem !== undefined) fail(invariant.name, problem);
  }
}

/** Checks that a partition descriptor is the manifest's own part. @throws SpanvaultError SV_INTERNAL */
export function checkPartition(part: PartitionDescriptor, manifest: Manifest): void {
  const own = manifest.files.filter((file) => file.localityKv === part.localityKv);
  const fits =
    equalBytes(part.backupId, manifest.id) &&
    manifest.localityKvs.includes(part.localityKv) &&
    own.length === part.files.length;
  if (!fits || own.some((file, index) => file.path !== part.files[index]!.path)) {
    throw new SpanvaultError(
      'SV_INTERNAL',
      `the partition descriptor of ${part.localityKv} is not the part of its manifest`,
    );
  }
}
