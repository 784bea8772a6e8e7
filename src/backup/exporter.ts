import type { RangeScan, RangeScanner } from '../cluster/contract.js';
import type { TaskContext } from '../executor/index.js';
import { invariant, SpanvaultError } from '../fault/index.js';
import { compareBytes, decodeEngineKey, equalBytes, isEmptyTimestamp, rowPrefix, type Span } from '../keys/index.js';
import { type NativeSstWriter, native } from '../native/index.js';
import type { ExternalStorage, ObjectWriter } from '../storage/index.js';
import { addReads, type ExportedFile, type ExportTaskArgs, type ExportTaskResult, NO_READS } from './export_work.js';
import { PartsInFlight } from './parts_in_flight.js';

/** Bytes of a version in an engine key, without a logical part: progress counts keys and values as manifests do. */
const VERSION_BYTES = 10;
/** Most entries of one batch: offsets stay below 1 MiB. */
const BATCH_ENTRIES = 64 * 1024;

/** The user key of entry `index` of a packed batch. */
function userKeyAt(bytes: Uint8Array, offsets: Uint32Array, index: number): Uint8Array {
  return decodeEngineKey(bytes.slice(offsets[2 * index]!, offsets[2 * index + 1]!)).key;
}

type EncodingScan = RangeScan & Required<Pick<RangeScan, 'encode'>>;

/** Turns the spans of one task into files, one after the other. */
export class Exporter {
  readonly #args: ExportTaskArgs;
  readonly #storage: ExternalStorage;
  readonly #context: TaskContext;
  readonly #files: ExportedFile[] = [];
  /** One is encoded into while the others are on their way. */
  readonly #parts: PartsInFlight;
  #partPos = 0;
  /** Of a source that gives batches; none is made for one that encodes. */
  #batch = new Uint8Array(0);
  #offsets = new Uint32Array(0);
  #sst: NativeSstWriter | undefined;
  #object: ObjectWriter | undefined;
  /** Start of the span that the next file entry covers, and how far spans were exported without a gap. */
  #fileStart: Uint8Array | undefined;
  #fileEnd: Uint8Array = new Uint8Array(0);
  #fileUploaded = 0;
  #fileEntries = 0;
  #scanSeconds = 0;
  #encodeSeconds = 0;
  #uploadWaitSeconds = 0;
  #reads = NO_READS;

  constructor(args: ExportTaskArgs, storage: ExternalStorage, context: TaskContext) {
    this.#args = args;
    this.#storage = storage;
    this.#context = context;
    const partBytes = Math.min(args.partBytes, storage.partBytesMost ?? args.partBytes);
    this.#parts = new PartsInFlight(partBytes, args.partsInFlight, context.spare('parts'));
  }

  result(): Omit<ExportTaskResult, 'usage'> {
    const waits = {
      scanSeconds: this.#scanSeconds,
      encodeSeconds: this.#encodeSeconds,
      uploadWaitSeconds: this.#uploadWaitSeconds,
    };
    return { files: this.#files, waits, reads: this.#reads };
  }

  /** Exports one span; a file goes on over adjacent spans and is cut at a gap, so that its entry never claims keys that were not read. */
  async exportSpan(scanner: RangeScanner, span: Span): Promise<void> {
    if (this.#fileStart !== undefined && !equalBytes(this.#fileEnd, span.key)) await this.finishFile(undefined);
    this.#fileStart ??= span.key;
    const { startTime, endTime, allRevisions } = this.#args;
    const scan = scanner.open({ span, startTime, endTime, allRevisions });
    try {
      if (scan.encode === undefined) await this.#exportBatches(scan);
      else await this.#exportDirectly(scan as EncodingScan);
      const whole = !isEmptyTimestamp(startTime) && scan.indexed !== true;
      this.#reads = addReads(this.#reads, {
        bytesVisited: scan.bytesVisited?.(),
        scansWithoutIndex: whole ? 1 : 0,
      });
    } finally {
      scan.close();
    }
    this.#fileEnd = span.endKey;
  }

  async #exportBatches(scan: RangeScan): Promise<void> {
    if (this.#batch.length === 0) {
      this.#batch = new Uint8Array(this.#args.batchBytes);
      this.#offsets = new Uint32Array(2 * BATCH_ENTRIES + 1);
    }
    for (;;) {
      this.#context.throwIfCancelled();
      const count = await this.#fill(scan);
      if (count < 0) break;
      if (count > 0) await this.#encode(count);
    }
  }

  /** Lets the source encode what it scans; steps are as large as a batch would be. */
  async #exportDirectly(scan: EncodingScan): Promise<void> {
    for (;;) {
      this.#context.throwIfCancelled();
      const begin = performance.now();
      const step = scan.encode(this.#openSst(), this.#parts.current, this.#partPos, this.#args.batchBytes);
      this.#scanSeconds += (performance.now() - begin) / 1000 - step.encodeSeconds;
      this.#encodeSeconds += step.encodeSeconds;
      this.#partPos = step.outPos;
      this.#fileEntries += step.count;
      this.#context.progress(step.bytes - step.count * VERSION_BYTES, step.count);
      if (step.reason === 'done') break;
      if (step.reason === 'out') await this.#sendPart();
      else if (step.nextKey !== undefined) await this.finishFile(rowPrefix(step.nextKey));
    }
  }

  #openSst(): NativeSstWriter {
    this.#sst ??= native.newSstWriter(this.#args.sst);
    return this.#sst;
  }

  /** Fills the batch; -1 at the end of the scan. A single entry that is larger than the batch makes the batch grow to fit it. */
  async #fill(scan: RangeScan): Promise<number> {
    for (;;) {
      const begin = performance.now();
      const fill = await scan.next(this.#batch, this.#offsets);
      this.#scanSeconds += (performance.now() - begin) / 1000;
      if (fill.kind === 'done') return -1;
      if (fill.kind === 'batch') {
        this.#context.progress(fill.bytesUsed - fill.count * VERSION_BYTES, fill.count);
        return fill.count;
      }
      invariant(
        fill.bytes > this.#batch.length,
        `the scanner asked for ${fill.bytes} bytes and has ${this.#batch.length}`,
      );
      this.#batch = new Uint8Array(fill.bytes);
    }
  }

  async #encode(count: number): Promise<void> {
    let from = 0;
    while (from < count) {
      const sst = this.#openSst();
      const begin = performance.now();
      const progress = sst.write(this.#batch, this.#offsets, count, from, this.#parts.current, this.#partPos);
      this.#encodeSeconds += (performance.now() - begin) / 1000;
      this.#fileEntries += progress.next - from;
      from = progress.next;
      this.#partPos = progress.outPos;
      if (progress.reason === 'out') await this.#sendPart();
      else if (progress.reason === 'cut') await this.finishFile(rowPrefix(userKeyAt(this.#batch, this.#offsets, from)));
    }
  }

  /** Hands the current part over and waits only while too many are on their way. */
  async #sendPart(): Promise<void> {
    if (this.#partPos === 0) return;
    const { signal } = this.#context;
    this.#object ??= await this.#waiting(this.#storage.create(this.#nextName(), { signal }));
    await this.#waiting(this.#parts.send(this.#object, this.#partPos));
    this.#fileUploaded += this.#partPos;
    this.#partPos = 0;
  }

  /** Counts the time until the storage is done. */
  async #waiting<T>(work: Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work;
    } finally {
      this.#uploadWaitSeconds += (performance.now() - begin) / 1000;
    }
  }

  #nextName(): string {
    const name = this.#args.fileNames[this.#files.length];
    if (name === undefined) {
      throw new SpanvaultError(
        'SV_LIMIT',
        `a task made more than the ${this.#args.fileNames.length} files planned for it`,
      );
    }
    return name;
  }

  /**
   * Ends the current file, if anything was written, and records it only once the object is whole. `nextRow` is the key at
   * which the following file of the same span goes on; undefined at the end of the spans or at a gap.
   */
  async finishFile(nextRow: Uint8Array | undefined): Promise<void> {
    const sst = this.#sst;
    const start = this.#fileStart;
    const endKey = nextRow ?? this.#fileEnd;
    this.#fileStart = nextRow;
    if (sst === undefined || start === undefined || this.#fileEntries === 0) return;
    for (let done = false; !done; ) {
      const progress = sst.finish(this.#parts.current, this.#partPos);
      this.#partPos = progress.outPos;
      done = progress.done;
      await this.#sendPart();
    }
    await this.#waiting(this.#parts.arrived());
    const facts = sst.facts();
    const object = this.#object;
    invariant(
      object !== undefined && this.#fileUploaded === facts.fileBytes,
      `an SST of ${facts.fileBytes} bytes was handed over as ${this.#fileUploaded}`,
    );
    invariant(
      compareBytes(start, facts.firstKey) <= 0 && compareBytes(facts.lastKey, endKey) < 0,
      'an SST holds keys outside of its span',
    );
    await this.#waiting(object.finish(facts.fileBytes));
    const { rows, indexEntries, dataBytes, fileBytes } = facts;
    this.#files.push({
      name: this.#nextName(),
      span: { key: start, endKey },
      rows,
      indexEntries,
      dataBytes,
      fileBytes,
    });
    this.#sst = undefined;
    this.#object = undefined;
    this.#fileUploaded = 0;
    this.#fileEntries = 0;
  }

  /** Ends the use of this exporter; no write is in flight. */
  giveBack(): void {
    this.#parts.giveBack();
  }

  /** Leaves nothing visible of the file in progress; files that are whole stay for the caller to remove. */
  async abort(): Promise<void> {
    // The parts on their way fail of it.
    await this.#object?.abort();
    await this.#parts.stopped();
  }
}
