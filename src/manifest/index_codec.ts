import * as pb from './generated/backup.js';
import type { IndexMetadata } from './model.js';
import { type Converters, rebuild, rememberOrigin } from './origin.js';
import { decode, MVCC_FILTERS, member } from './wire_message.js';
import { fromScalar, fromTimestamp, plainBytes, toTimestamp } from './wire_values.js';

/** Decodes one entry of metadata/index/. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodeIndexMetadata(bytes: Uint8Array, name: string): IndexMetadata {
  const message = decode(pb.BackupIndexMetadata, bytes, name);
  const index: IndexMetadata = {
    startTime: toTimestamp(message.startTime),
    endTime: toTimestamp(message.endTime),
    path: message.path,
    isCompacted: message.isCompacted,
    mvccFilter: member(MVCC_FILTERS, message.mvccFilter, 'mvcc_filter', name),
    revisionStartTime: toTimestamp(message.revisionStartTime),
  };
  return rememberOrigin(index, message);
}

/** The protobuf of an index entry. */
export function encodeIndexMetadata(index: IndexMetadata): Uint8Array {
  const fields: Converters<IndexMetadata> = {
    startTime: fromTimestamp,
    endTime: fromTimestamp,
    path: fromScalar,
    isCompacted: fromScalar,
    mvccFilter: (value) => fromScalar(MVCC_FILTERS.indexOf(value)),
    revisionStartTime: fromTimestamp,
  };
  return plainBytes(pb.BackupIndexMetadata.encode(rebuild(index, new pb.BackupIndexMetadata(), fields)).finish());
}
