import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, gzip } from 'node:zlib';
import { hasCode, SpanvaultError } from '../fault/index.js';
import { equalBytes, hasPrefix, toHex } from '../keys/index.js';
import type { ExternalStorage, ReadOptions } from '../storage/index.js';
import { plainBytes } from './wire_values.js';

/*
 * What lies around a metadata file's protobuf (crdb-format.md 2.2): a checksum file beside it, encryption, gzip.
 */

const gunzipAsync = promisify(gunzip);
const gzipAsync = promisify(gzip);

/** Suffix of the file that holds the checksum of a manifest. */
export const CHECKSUM_SUFFIX = '-CHECKSUM';

/** Largest metadata file that is inflated: bounds what a damaged or hostile one can make us allocate. */
const MAX_INFLATED_BYTES = 1024 * 1024 * 1024;

/** Stored bytes that are inflated at once: less work than handing them to another thread, at most a few milliseconds. */
const INFLATE_AT_ONCE_BYTES = 4096;

/**
 * Memory that zlib fills at a time. Its own 16 KiB for each of hundreds of manifests of some hundred bytes keep the collector busy.
 */
const INFLATED_CHUNK_BYTES_LEAST = 512;
const INFLATED_CHUNK_BYTES_MOST = 16 * 1024;

const GZIP = Uint8Array.of(0x1f, 0x8b, 0x08);
const ENCRYPTED = new Uint8Array(Buffer.from('encrypt'));

/** First 4 bytes of the SHA-256 of a file's bytes as stored. */
export function manifestChecksum(stored: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(stored).digest().subarray(0, 4));
}

/** True when a file begins as encrypted files do. */
export function appearsEncrypted(stored: Uint8Array): boolean {
  return hasPrefix(stored, ENCRYPTED);
}

/**
 * The protobuf inside a stored metadata file, inflated where it is compressed. `beginning`: `stored` is the beginning of a
 * longer file, and so is what comes out.
 * @throws SpanvaultError SV_USAGE for an encrypted file, with CockroachDB's words; SV_CORRUPT_MANIFEST for damaged gzip
 */
export async function openEnvelope(
  stored: Uint8Array,
  name: string,
  options: { readonly beginning?: boolean } = {},
): Promise<Uint8Array> {
  if (appearsEncrypted(stored)) {
    throw new SpanvaultError(
      'SV_USAGE',
      `${name}: file appears encrypted -- try specifying one of "encryption_passphrase" or "kms"`,
      {
        details: { file: name },
      },
    );
  }
  if (!hasPrefix(stored, GZIP)) return stored;
  const limits = {
    maxOutputLength: MAX_INFLATED_BYTES,
    chunkSize: Math.min(INFLATED_CHUNK_BYTES_MOST, Math.max(INFLATED_CHUNK_BYTES_LEAST, 4 * stored.length)),
    // Lets a stream that ends early give what it has.
    ...(options.beginning === true ? { finishFlush: constants.Z_SYNC_FLUSH } : {}),
  };
  try {
    const atOnce = stored.length <= INFLATE_AT_ONCE_BYTES;
    return plainBytes(atOnce ? gunzipSync(stored, limits) : await gunzipAsync(stored, limits));
  } catch (cause) {
    throw new SpanvaultError(
      'SV_CORRUPT_MANIFEST',
      `${name} of ${stored.length} bytes does not inflate: its gzip data is damaged or cut`,
      {
        cause,
      },
    );
  }
}

/** A protobuf as CockroachDB stores it since 20.2. */
export async function sealEnvelope(bytes: Uint8Array): Promise<Uint8Array> {
  return plainBytes(await gzipAsync(bytes));
}

/**
 * Reads a metadata file as stored, and checks the checksum file if there is one.
 * @throws SpanvaultError SV_STORAGE_NOT_FOUND, SV_CORRUPT_MANIFEST
 */
export async function readStored(
  storage: ExternalStorage,
  name: string,
  options: Pick<ReadOptions, 'signal' | 'again'> = {},
): Promise<Uint8Array> {
  const { bytes } = await storage.read(name, options);
  const expected = await readIfThere(storage, name + CHECKSUM_SUFFIX, options);
  if (expected !== undefined) {
    const found = manifestChecksum(bytes);
    if (!equalBytes(expected, found)) {
      throw new SpanvaultError(
        'SV_CORRUPT_MANIFEST',
        `checksum mismatch; expected ${toHex(expected.subarray(0, 32))}, got ${toHex(found)}`,
        {
          details: { file: `${storage.display}/${name}` },
        },
      );
    }
  }
  return bytes;
}

/** The whole object, or undefined when there is none. */
export async function readIfThere(
  storage: ExternalStorage,
  name: string,
  options: Pick<ReadOptions, 'signal' | 'again'> = {},
): Promise<Uint8Array | undefined> {
  try {
    return (await storage.read(name, options)).bytes;
  } catch (error) {
    if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}
