import type { Timestamp } from '../keys/index.js';
import { toInt64 } from './descriptor.js';
import { type HlcTimestamp, PrivilegeDescriptor } from './generated/descriptors.js';
import type { PrivilegeSpec } from './table_spec.js';

/*
 * Parts that every kind of new descriptor has.
 */

/** A timestamp as a message. */
export function hlc(time: Timestamp): HlcTimestamp.$Properties {
  // Zero fields are left out, as in proto3 messages.
  return {
    ...(time.wall === 0n ? {} : { wallTime: toInt64(time.wall) }),
    ...(time.logical === 0 ? {} : { logical: time.logical }),
  };
}

/** Privileges with users in the order that CockroachDB keeps. */
export function privilegesOf(spec: PrivilegeSpec): PrivilegeDescriptor.$Properties {
  const users = [...spec.users].sort((a, b) => (a.user < b.user ? -1 : 1));
  return { users: users.map(({ user, privileges }) => ({ user, privileges })), owner: spec.owner, version: 1 };
}

/** A marshalled PrivilegeDescriptor. */
export function encodePrivileges(spec: PrivilegeSpec): Uint8Array {
  return PrivilegeDescriptor.encode(privilegesOf(spec)).finish();
}
