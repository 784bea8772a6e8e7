import * as pb from './generated/backup.js';
import type { FileRecord } from './model.js';
import { type Converters, rebuild, rememberOrigin } from './origin.js';
import { decode } from './wire_message.js';
import {
  fromBigInt,
  fromBytes,
  fromCounts,
  fromScalar,
  fromSpan,
  fromTimestamp,
  plainBytes,
  toBytes,
  toCounts,
  toSpan,
  toTimestamp,
  toUnsigned,
} from './wire_values.js';

/** A File message (crdb-format.md 2.4) as a plain object. */
export function toFile(message: pb.File.$Properties): FileRecord {
  const file: FileRecord = {
    span: toSpan(message.span),
    path: message.path ?? '',
    sha512: toBytes(message.sha512),
    entryCounts: toCounts(message.entryCounts),
    startTime: toTimestamp(message.startTime),
    endTime: toTimestamp(message.endTime),
    localityKv: message.localityKv ?? '',
    backingFileSize: toUnsigned(message.backingFileSize),
    approximatePhysicalSize: toUnsigned(message.approximatePhysicalSize),
    hasRangeKeys: message.hasRangeKeys ?? false,
  };
  return rememberOrigin(file, message);
}

const FILE_FIELDS: Converters<FileRecord> = {
  span: fromSpan,
  path: fromScalar,
  sha512: fromBytes,
  entryCounts: fromCounts,
  startTime: fromTimestamp,
  endTime: fromTimestamp,
  localityKv: fromScalar,
  backingFileSize: (value) => fromBigInt(value, true),
  approximatePhysicalSize: (value) => fromBigInt(value, true),
  hasRangeKeys: fromScalar,
};

/** The message of a file record; what was decoded and not touched comes out as it went in. */
export function fromFile(file: FileRecord): pb.File {
  return rebuild(file, new pb.File(), FILE_FIELDS);
}

/** Decodes one File message, as a value of filelist.sst. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeFile(bytes: Uint8Array, name: string): FileRecord {
  return toFile(decode(pb.File, bytes, name));
}

/** The protobuf of one File. */
export function encodeFile(file: FileRecord): Uint8Array {
  return plainBytes(pb.File.encode(fromFile(file)).finish());
}
