import protobuf from 'protobufjs/minimal.js';
import { fromFile, toFile } from './file_codec.js';
import * as pb from './generated/backup.js';
import type { PartitionDescriptor } from './model.js';
import { type Converters, rebuild, rememberOrigin } from './origin.js';
import { decode, list, same, undecodable } from './wire_message.js';
import { fromScalar, plainBytes, toBytes } from './wire_values.js';

/** Decodes a BACKUP_PART file's protobuf. @throws SpanvaultError SV_CORRUPT_MANIFEST */
export function decodePartitionDescriptor(bytes: Uint8Array, name: string): PartitionDescriptor {
  const message = decode(pb.BackupPartitionDescriptor, bytes, name);
  const { localityKv } = message;
  return rememberOrigin({ localityKv, files: message.files.map(toFile), backupId: toBytes(message.backupId) }, message);
}

/** What a partition descriptor says besides its files; `backupId` is undefined when only a beginning of its bytes is known. */
export interface PartitionHead {
  readonly localityKv: string;
  readonly backupId: Uint8Array | undefined;
}

const PART_LOCALITY = 1;
const PART_BACKUP_ID = 3;

/**
 * Reads a partition descriptor's own fields, its files skipped. Of the beginning of one (`whole` false) only what comes
 * before the files, as CockroachDB writes it: the locality.
 * @throws SpanvaultError SV_CORRUPT_MANIFEST
 */
export function decodePartitionHead(bytes: Uint8Array, whole: boolean, name: string): PartitionHead {
  const reader = protobuf.Reader.create(plainBytes(bytes));
  let localityKv = '';
  let backupId = new Uint8Array(0);
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === ((PART_LOCALITY << 3) | LENGTH_DELIMITED)) localityKv = reader.string();
      else if (tag === ((PART_BACKUP_ID << 3) | LENGTH_DELIMITED)) backupId = Uint8Array.from(reader.bytes());
      else if (whole) reader.skipType(tag & 7);
      else break;
    }
  } catch (cause) {
    throw undecodable(reader, bytes, name, cause);
  }
  return { localityKv, backupId: whole ? backupId : undefined };
}

/** Wire type of texts, bytes and messages. */
const LENGTH_DELIMITED = 2;

/** The protobuf of a partition descriptor. */
export function encodePartitionDescriptor(part: PartitionDescriptor): Uint8Array {
  const fields: Converters<PartitionDescriptor> = { localityKv: fromScalar, files: list(fromFile), backupId: same };
  return plainBytes(
    pb.BackupPartitionDescriptor.encode(rebuild(part, new pb.BackupPartitionDescriptor(), fields)).finish(),
  );
}
