import type { Timestamp } from '../keys/index.js';
import { Descriptor as DescriptorMessage } from './generated/descriptors.js';
import { hlc, privilegesOf } from './message_parts.js';
import { type PrivilegeSpec, USER_PRIVILEGES } from './table_spec.js';

/** A marshalled database descriptor. `schemas` are user-defined ones. */
export function buildDatabase(
  name: string,
  id: number,
  time: Timestamp,
  options: {
    readonly privileges?: PrivilegeSpec;
    readonly schemas?: readonly { readonly name: string; readonly id: number }[];
  } = {},
): Uint8Array {
  const database = {
    name,
    id,
    privileges: privilegesOf(options.privileges ?? USER_PRIVILEGES),
    modificationTime: hlc(time),
    version: 1,
    schemas: Object.fromEntries(
      (options.schemas ?? []).map((schema) => [schema.name, { id: schema.id, dropped: false }]),
    ),
    state: 0,
    offlineReason: '',
  };
  return DescriptorMessage.encode({ database }).finish();
}

/** A marshalled descriptor of a user-defined schema; its database must list it too (buildDatabase's `schemas`). */
export function buildSchema(
  name: string,
  id: number,
  databaseId: number,
  time: Timestamp,
  privileges: PrivilegeSpec = USER_PRIVILEGES,
): Uint8Array {
  const schema = {
    parentId: databaseId,
    name,
    id,
    privileges: privilegesOf(privileges),
    modificationTime: hlc(time),
    version: 1,
    state: 0,
    offlineReason: '',
  };
  return DescriptorMessage.encode({ schema }).finish();
}
