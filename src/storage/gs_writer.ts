import { randomBytes } from 'node:crypto';
import { invariant, SpanvaultError, throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { CallOptions, ObjectWriter, WriteOptions } from './contract.js';
import { crcText } from './crc32c.js';
import { type GsClient, parseJson } from './gs_client.js';
import type { HttpAnswer } from './http_exchange.js';
import { type HeldObject, unlessOurs } from './own_write.js';
import { type FailureKind, remoteFault } from './remote_faults.js';

/** Sessions take multiples of this until the last request. */
const CHUNK = 256 * 1024;

/** Metadata of an object that must be new: says whose write made it. */
const WRITE_ID = 'spanvault-write-id';

/** Giving up a session must not hold up what comes after a failure. */
const ABORT_MS = 10_000;

/** The object to write. */
export interface GsTarget {
  readonly client: GsClient;
  readonly count: (kind: string) => void;
  /** Encoded for an address. */
  readonly bucket: string;
  readonly object: string;
  /** `writing gs://bucket/a` */
  readonly what: string;
}

/** Writes an object in one request; the store refuses it when the bytes that arrive have another CRC-32C. */
export async function putGsObject(target: GsTarget, bytes: Uint8Array, options: WriteOptions): Promise<void> {
  const crc = crcText(native.crc32c(bytes, 0));
  const boundary = `spanvault-${randomBytes(16).toString('hex')}`;
  const head =
    `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n` +
    `${JSON.stringify({ ...resourceOf(target, options), crc32c: crc })}\r\n` +
    `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
  const write = async (): Promise<void> => {
    target.count('objects.insert');
    const answer = await target.client.request(target.what, 'POST', uploadPath(target, 'multipart', options), {
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
      signal: options.signal,
    });
    await checkStored(target, answer, bytes.length, crc);
  };
  const own = { bytes: bytes.length, writeId: options.writeId };
  await unlessOurs(own, write, () => look(target, options.signal));
}

/** What the store is told of an object before its bytes. */
function resourceOf({ object }: GsTarget, { ifAbsent, writeId }: WriteOptions): object {
  return {
    name: object,
    ...(ifAbsent === true && writeId !== undefined ? { metadata: { [WRITE_ID]: writeId } } : {}),
  };
}

/** Asks for the object under the target's name. */
async function look({ client, count, bucket, object, what }: GsTarget, signal?: AbortSignal): Promise<HeldObject> {
  count('objects.get');
  const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}?fields=size,metadata`;
  const held = parseJson((await client.request(what, 'GET', path, { signal })).body, what);
  const metadata = (held.metadata ?? {}) as Readonly<Record<string, unknown>>;
  return { bytes: Number(held.size), writeId: metadata[WRITE_ID] };
}

/** Begins an object of unknown size. No request is made before a chunk is full. */
export function createGsObject(target: GsTarget, options: WriteOptions): ObjectWriter {
  throwIfAborted(options.signal);
  return new GsWriter(target, options);
}

function uploadPath({ bucket }: GsTarget, uploadType: string, options: WriteOptions): string {
  const query = new URLSearchParams({
    uploadType,
    fields: 'size,crc32c,generation',
    // Generation 0 is the one of an object that does not exist.
    ...(options.ifAbsent === true ? { ifGenerationMatch: '0' } : {}),
  });
  return `/upload/storage/v1/b/${bucket}/o?${query}`;
}

/** Compares what the store says it holds with what was sent; what differs is erased, for it is visible already. */
async function checkStored(target: GsTarget, answer: HttpAnswer, bytes: number, crc: string): Promise<void> {
  const stored = parseJson(answer.body, target.what);
  if (Number(stored.size) === bytes && (stored.crc32c === undefined || stored.crc32c === crc)) return;
  await eraseStored(target, stored.generation);
  const reason = `${bytes} bytes of CRC-32C ${crc} were sent and ${stored.size} of ${stored.crc32c} stored`;
  throw remoteFault({ kind: 'transient', reason }, target.what);
}

/** Erases the object that an upload has just made, best effort; what another has written since stays. */
async function eraseStored({ client, count, bucket, object, what }: GsTarget, generation: unknown): Promise<void> {
  const query = new URLSearchParams({ generation: String(generation) });
  const path = `/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}?${query}`;
  count('objects.delete');
  await Promise.allSettled([client.request(what, 'DELETE', path, { expected: [404] })]);
}

/**
 * A resumable session. A call that failed may be made again with the same part: the store is asked how much it holds, and
 * gets the rest. Memory beyond the caller's part: less than 256 KiB.
 */
class GsWriter implements ObjectWriter {
  readonly #target: GsTarget;
  readonly #options: WriteOptions;
  #session: string | undefined;
  /** Bytes that the store holds. */
  #sent = 0;
  /** Bytes that did not fill a chunk. */
  #tail: Uint8Array = new Uint8Array(0);
  #crc = 0;
  /** A request failed, so the store may hold more than #sent. */
  #unsure = false;
  #ended = false;

  constructor(target: GsTarget, options: WriteOptions) {
    this.#target = target;
    this.#options = options;
  }

  async write(part: Uint8Array, options: CallOptions = {}): Promise<void> {
    invariant(!this.#ended, `${this.#target.what}: a part came after finish or abort`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const pending = this.#tail.length + part.length;
    const full = pending - (pending % CHUNK);
    const taken = full === 0 ? 0 : full - this.#tail.length;
    if (full > 0) await this.#send([this.#tail, part.subarray(0, taken)], full, signal);
    const rest = part.subarray(taken);
    this.#tail = full === 0 ? Buffer.concat([this.#tail, rest]) : Uint8Array.from(rest);
    this.#crc = native.crc32c(part, this.#crc);
  }

  async finish(expectedBytes: number, options: CallOptions = {}): Promise<void> {
    const { what } = this.#target;
    invariant(!this.#ended, `${what}: finished or aborted twice`);
    const signal = options.signal ?? this.#options.signal;
    throwIfAborted(signal);
    const written = this.#sent + this.#tail.length;
    if (written !== expectedBytes) {
      await this.abort();
      throw new SpanvaultError(
        'SV_STORAGE_IO',
        `${what} failed: ${expectedBytes} bytes were expected and ${written} written`,
      );
    }
    const own = { ...this.#options, ...(signal === undefined ? {} : { signal }) };
    if (this.#session === undefined) await putGsObject(this.#target, this.#tail, own);
    else
      await unlessOurs(
        { bytes: written, writeId: own.writeId },
        () => this.#send([this.#tail], this.#tail.length, signal, written),
        () => look(this.#target, signal),
      );
    this.#ended = true;
  }

  async abort(): Promise<void> {
    const session = this.#session;
    const ended = this.#ended;
    this.#ended = true;
    this.#tail = new Uint8Array(0);
    if (ended || session === undefined) return;
    // 499 is the store's word for a session that was given up; without it the session ends by itself after a week.
    await Promise.allSettled([
      this.#target.client.request(this.#target.what, 'DELETE', session, {
        expected: [404, 410, 499],
        signal: AbortSignal.timeout(ABORT_MS),
      }),
    ]);
  }

  /** Sends bytes that follow #sent until the store holds them all; with `total` they are the last ones. */
  async #send(
    pieces: readonly Uint8Array[],
    bytes: number,
    signal: AbortSignal | undefined,
    total?: number,
  ): Promise<void> {
    this.#session ??= await this.#begin(signal);
    const end = this.#sent + bytes;
    let held = this.#sent;
    if (this.#unsure) {
      const answer = await this.#put([], `bytes */${total ?? '*'}`, signal, total);
      if (answer === undefined) return;
      if (answer < held || answer > end) throw this.#fault('permanent', `the store lost its place at ${held} bytes`);
      held = answer;
    }
    while (held < end || total !== undefined) {
      const range = held === end ? '*' : `${held}-${end - 1}`;
      const next = await this.#put(skip(pieces, held - this.#sent), `bytes ${range}/${total ?? '*'}`, signal, total);
      if (next === undefined) return;
      if (next <= held || next > end) throw this.#fault('transient', `the store took no bytes at ${held} of ${end}`);
      held = next;
    }
    this.#sent = end;
    this.#unsure = false;
  }

  /** One request to the session: how many bytes the store holds now, undefined when the object is complete. */
  async #put(
    body: readonly Uint8Array[],
    range: string,
    signal: AbortSignal | undefined,
    total: number | undefined,
  ): Promise<number | undefined> {
    const { client, count, what } = this.#target;
    count('objects.insert');
    const crc = crcText(this.#crc);
    this.#unsure = true;
    const answer = await client.request(what, 'PUT', this.#session!, {
      headers: { 'content-range': range, ...(total === undefined ? {} : { 'x-goog-hash': `crc32c=${crc}` }) },
      body,
      signal,
      expected: [308],
    });
    if (answer.status !== 308) {
      if (total === undefined) {
        await eraseStored(this.#target, parseJson(answer.body, what).generation);
        throw this.#fault('permanent', 'the session ended before its object was complete');
      }
      await checkStored(this.#target, answer, total, crc);
      return undefined;
    }
    const { range: held } = answer.headers;
    if (held === undefined) return 0;
    const last = /^bytes=0-(\d{1,15})$/.exec(held)?.[1];
    if (last === undefined) throw this.#fault('transient', 'the store does not say what it holds');
    return Number(last) + 1;
  }

  async #begin(signal: AbortSignal | undefined): Promise<string> {
    const { client, count, what } = this.#target;
    count('objects.insert');
    const answer = await client.request(what, 'POST', uploadPath(this.#target, 'resumable', this.#options), {
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'x-upload-content-type': 'application/octet-stream',
      },
      body: [Buffer.from(JSON.stringify(resourceOf(this.#target, this.#options)))],
      signal,
    });
    const { location } = answer.headers;
    if (location === undefined) throw remoteFault({ kind: 'transient', reason: 'no upload session was opened' }, what);
    return location;
  }

  #fault(kind: FailureKind, reason: string): SpanvaultError {
    return remoteFault({ kind, reason }, this.#target.what);
  }
}

/** The pieces without their first bytes. */
function skip(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  return pieces.flatMap((piece) => {
    const cut = Math.min(left, piece.length);
    left -= cut;
    return cut === piece.length ? [] : [piece.subarray(cut)];
  });
}
