import { SpanvaultError } from '../fault/index.js';
import type {
  NativeMerge,
  NativeModule,
  NativeScan,
  NativeScanOptions,
  NativeSstWriter,
  NativeTimestamp,
  SpanStats,
} from './contract.js';
import { fromNative, guarded } from './faults.js';

/** What the module itself exports: the contract but for the shape of one call, and what its own tests need. */
interface RawModule extends Omit<NativeModule, 'storeScan' | 'storeStats'> {
  storeScan(
    store: number,
    startKey: Uint8Array,
    endKey: Uint8Array,
    asOf: NativeTimestamp,
    after: NativeTimestamp | null,
    mode: NativeScanOptions['mode'],
    dropTombstones: boolean,
  ): NativeScan;
  storeStats(...args: Parameters<NativeModule['storeStats']>): Promise<RawWalk>;
  contractVersion(): number;
  nativeFaultCodes(): string[];
  panicForTest(): void;
}

/** A walk, or the fault that ended it: an error would lose its code on the way from its thread. */
interface RawWalk extends SpanStats {
  readonly code?: string;
  readonly reason?: string;
  readonly resumeKey?: Uint8Array;
}

/** The loader that `npm run build:native` writes beside the binary; the same path from src/ and from dist/. */
const LOADER = new URL('../../native/binding/index.js', import.meta.url);

/**
 * Number of the contract that the calls below keep, as in native/binding/src/lib.rs: an argument that a module of yesterday does
 * not know would be dropped silently.
 */
const CONTRACT = 6;

async function load(): Promise<RawModule> {
  let loaded: Partial<RawModule>;
  try {
    loaded = (await import(LOADER.href)) as RawModule;
  } catch (cause) {
    throw new SpanvaultError('SV_INTERNAL', 'the native module does not load: build it with `npm run build:native`', {
      cause,
    });
  }
  const version = loaded.contractVersion?.() ?? 1;
  if (version !== CONTRACT) {
    throw new SpanvaultError(
      'SV_INTERNAL',
      `the native module keeps contract ${version} and contract ${CONTRACT} is needed: build it with \`npm run build:native\``,
    );
  }
  return loaded as RawModule;
}

const raw = await load();

/** The module's own writers by the ones that callers have: a call that takes a writer wants the former. */
const rawWriters = new WeakMap<NativeSstWriter, NativeSstWriter>();

function guardScan(scan: NativeScan): NativeScan {
  return {
    next: guarded((bytes, offsets) => scan.next(bytes, offsets)),
    encode: guarded((sst, out, outPos, limitBytes) => scan.encode(rawWriters.get(sst) ?? sst, out, outPos, limitBytes)),
    bytesVisited: guarded(() => scan.bytesVisited()),
    indexed: guarded(() => scan.indexed()),
    close: guarded(() => scan.close()),
  };
}

function guardWriter(writer: NativeSstWriter): NativeSstWriter {
  const guard: NativeSstWriter = {
    write: guarded((bytes, offsets, count, from, out, outPos) =>
      writer.write(bytes, offsets, count, from, out, outPos),
    ),
    finish: guarded((out, outPos) => writer.finish(out, outPos)),
    facts: guarded(() => writer.facts()),
  };
  rawWriters.set(guard, writer);
  return guard;
}

function guardMerge(merge: NativeMerge): NativeMerge {
  return {
    addFile: guarded((file) => merge.addFile(file)),
    addLocalFile: guarded((file, root, path) => merge.addLocalFile(file, root, path)),
    localReads: guarded(() => merge.localReads()),
    feed: guarded((file, offset, bytes) => merge.feed(file, offset, bytes)),
    next: guarded((bytes, offsets, held) => merge.next(bytes, offsets, held)),
    facts: guarded(() => merge.facts()),
    close: guarded(() => merge.close()),
  };
}

/**
 * The native module of this process. Calls but storeStats and those of local files are synchronous; they throw SpanvaultError; objects that they return belong
 * to the thread that made them.
 */
export const native: NativeModule = {
  openStore: guarded(raw.openStore),
  closeStore: guarded(raw.closeStore),
  storeGet: guarded(raw.storeGet),
  storeCommit: guarded(raw.storeCommit),
  storeIngest: guarded(raw.storeIngest),
  storeErase: guarded(raw.storeErase),
  storeSync: guarded(raw.storeSync),
  storeMetaGet: guarded(raw.storeMetaGet),
  storeMetaList: guarded(raw.storeMetaList),
  storeScan: guarded((store, options) => {
    const { startKey, endKey, asOf, after, mode, dropTombstones } = options;
    return guardScan(raw.storeScan(store, startKey, endKey, asOf, after, mode, dropTombstones));
  }),
  storeBeginChanges: guarded(raw.storeBeginChanges),
  storeCutChanges: guarded(raw.storeCutChanges),
  storeForgetChanges: guarded(raw.storeForgetChanges),
  storeThreshold: guarded(raw.storeThreshold),
  storeRaiseThreshold: guarded(raw.storeRaiseThreshold),
  // An absent field of a native object is undefined; the contract says null.
  storeCollect: guarded((...args) => {
    const step = raw.storeCollect(...args);
    return { ...step, resumeKey: step.resumeKey ?? null };
  }),
  storeStats: async (...args) => {
    const { code, reason, ...stats } = await guarded(raw.storeStats)(...args);
    if (code !== undefined) throw fromNative(Object.assign(new Error(reason), { code }));
    return { ...stats, resumeKey: stats.resumeKey ?? null };
  },
  fillKv: guarded(raw.fillKv),
  memoryPut: guarded(raw.memoryPut),
  memoryGet: guarded(raw.memoryGet),
  memorySize: guarded(raw.memorySize),
  memoryDelete: guarded(raw.memoryDelete),
  memoryList: guarded(raw.memoryList),
  releaseFreeMemory: guarded(raw.releaseFreeMemory),
  fileRead: guarded(raw.fileRead),
  fileReadPieces: guarded(raw.fileReadPieces),
  fileWalk: guarded((options) => {
    const walk = raw.fileWalk(options);
    return { next: guarded((most) => walk.next(most)) };
  }),
  fileWriteHere: guarded(raw.fileWriteHere),
  crc32c: guarded(raw.crc32c),
  crc32cCombine: guarded(raw.crc32cCombine),
  crc32Ieee: guarded(raw.crc32Ieee),
  codecCeiling: guarded(raw.codecCeiling),
  newSstWriter: guarded((options) => guardWriter(raw.newSstWriter(options))),
  newMerge: guarded((options) => guardMerge(raw.newMerge(options))),
  describeSst: guarded((name, bytes) => {
    const report = raw.describeSst(name, bytes);
    return { ...report, minTimestamp: report.minTimestamp ?? null, maxTimestamp: report.maxTimestamp ?? null };
  }),
};

/** Codes that native code raises, and a call that panics: for the tests of this room. */
export const nativeSelfTest = {
  faultCodes: guarded(raw.nativeFaultCodes),
  panic: guarded(raw.panicForTest),
};
