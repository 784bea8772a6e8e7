import { SpanvaultError } from '../fault/index.js';
import { keepingReader, toInt64 } from './descriptor.js';
import {
  type ZoneConstraint as ConstraintMessage,
  type ConstraintsConjunction,
  ZoneConfig as ZoneMessage,
} from './generated/descriptors.js';
import type { ConstraintGroup, ZoneConstraint } from './zone_constraints.js';

/** Zone configuration of an index or of a partition of it, kept inside the table's. */
export interface Subzone {
  readonly indexId: number;
  /** '' for the index itself. */
  readonly partitionName: string;
  readonly config: ZoneConfig;
}

/** Which subzone governs a span; keys lack the table prefix, an empty end is the prefix end of the key. */
export interface SubzoneSpan {
  readonly key: Uint8Array;
  readonly endKey: Uint8Array;
  readonly subzoneIndex: number;
}

/** A zone configuration as one row of system.zones holds it; what is undefined is inherited. */
export interface ZoneConfig {
  readonly rangeMinBytes?: bigint | undefined;
  readonly rangeMaxBytes?: bigint | undefined;
  readonly gcTtlSeconds?: number | undefined;
  readonly globalReads?: boolean | undefined;
  /** 0 marks a placeholder that only holds subzones. */
  readonly numReplicas?: number | undefined;
  readonly numVoters?: number | undefined;
  readonly constraints: readonly ConstraintGroup[] | undefined;
  readonly voterConstraints: readonly ConstraintGroup[] | undefined;
  readonly leasePreferences: readonly (readonly ZoneConstraint[])[] | undefined;
  readonly subzones: readonly Subzone[];
  readonly subzoneSpans: readonly SubzoneSpan[];
  /** Fields of newer releases, kept as they are. */
  readonly unknown?: readonly Uint8Array[] | undefined;
  /** Field 15 as it was read: a flag of voter constraints whose sense changed before 21.1 was released. */
  readonly voterFlag?: boolean | undefined;
}

/** A configuration that inherits everything. */
export const EMPTY_ZONE: ZoneConfig = {
  constraints: undefined,
  voterConstraints: undefined,
  leasePreferences: undefined,
  subzones: [],
  subzoneSpans: [],
  voterFlag: false,
};

/** What CockroachDB 21.1 gives to RANGE default. */
export const DEFAULT_ZONE: ZoneConfig = {
  rangeMinBytes: 134_217_728n,
  rangeMaxBytes: 536_870_912n,
  gcTtlSeconds: 90_000,
  numReplicas: 3,
  constraints: [],
  voterConstraints: [],
  leasePreferences: [],
  subzones: [],
  subzoneSpans: [],
  voterFlag: true,
};

const TYPES = ['positive', 'required', 'prohibited'] as const;

function constraintOf(message: ConstraintMessage.$Properties): ZoneConstraint {
  const type = TYPES[message.type ?? 0];
  if (type === undefined)
    throw new SpanvaultError('SV_CORRUPT_VALUE', `zone constraint type ${message.type} is unknown`);
  return { type, key: message.key ?? '', value: message.value ?? '' };
}

function groupOf(message: ConstraintsConjunction.$Properties): ConstraintGroup {
  return { numReplicas: message.numReplicas ?? 0, constraints: (message.constraints ?? []).map(constraintOf) };
}

function bigOf(value: ZoneMessage.$Properties['rangeMinBytes']): bigint | undefined {
  return value === null || value === undefined ? undefined : BigInt(value.toString());
}

function zoneOf(message: ZoneMessage.$Properties): ZoneConfig {
  const voters = (message.voterConstraints ?? []).map(groupOf);
  return {
    rangeMinBytes: bigOf(message.rangeMinBytes),
    rangeMaxBytes: bigOf(message.rangeMaxBytes),
    gcTtlSeconds: message.gc ? (message.gc.ttlSeconds ?? 0) : undefined,
    globalReads: message.globalReads ?? undefined,
    numReplicas: message.numReplicas ?? undefined,
    numVoters: message.numVoters ?? undefined,
    constraints: message.inheritedConstraints ? undefined : (message.constraints ?? []).map(groupOf),
    voterConstraints: voters.length === 0 && !message.nullVoterConstraintsIsEmpty ? undefined : voters,
    leasePreferences: message.inheritedLeasePreferences
      ? undefined
      : (message.leasePreferences ?? []).map(({ constraints }) => (constraints ?? []).map(constraintOf)),
    subzones: (message.subzones ?? []).map((subzone) => ({
      indexId: subzone.indexId ?? 0,
      partitionName: subzone.partitionName ?? '',
      config: zoneOf(subzone.config ?? {}),
    })),
    subzoneSpans: (message.subzoneSpans ?? []).map((span) => ({
      key: span.key ?? new Uint8Array(0),
      endKey: span.endKey ?? new Uint8Array(0),
      subzoneIndex: span.subzoneIndex ?? 0,
    })),
    unknown: message.$unknowns,
    voterFlag: message.nullVoterConstraintsIsEmpty ?? undefined,
  };
}

/** Scalar fields that must be seen as absent are undefined on purpose: protobufjs gives prototypes their defaults. */
function ownFields(message: ZoneMessage): ZoneMessage.$Properties {
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message)) own[name] = value;
  const fields = own as ZoneMessage.$Properties;
  if (message.$unknowns !== undefined) fields.$unknowns = message.$unknowns;
  const subzones = (message.subzones ?? []).map((subzone) => ({
    ...subzone,
    config: subzone.config ? ownFields(subzone.config as ZoneMessage) : {},
  }));
  return { ...fields, subzones };
}

/** Decodes the config column of system.zones. @throws SpanvaultError SV_CORRUPT_VALUE */
export function decodeZone(bytes: Uint8Array): ZoneConfig {
  try {
    return zoneOf(ownFields(ZoneMessage.decode(keepingReader(bytes))));
  } catch (error) {
    if (error instanceof SpanvaultError) throw error;
    throw new SpanvaultError('SV_CORRUPT_VALUE', `a zone configuration of ${bytes.length} bytes does not decode`, {
      cause: error,
    });
  }
}

function constraintMessage(constraint: ZoneConstraint): ConstraintMessage.$Properties {
  return { type: TYPES.indexOf(constraint.type), key: constraint.key, value: constraint.value };
}

function groupMessage(group: ConstraintGroup): ConstraintsConjunction.$Properties {
  return { numReplicas: group.numReplicas, constraints: group.constraints.map(constraintMessage) };
}

function zoneMessage(zone: ZoneConfig): ZoneMessage.$Properties {
  return {
    ...(zone.rangeMinBytes === undefined ? {} : { rangeMinBytes: toInt64(zone.rangeMinBytes) }),
    ...(zone.rangeMaxBytes === undefined ? {} : { rangeMaxBytes: toInt64(zone.rangeMaxBytes) }),
    ...(zone.gcTtlSeconds === undefined ? {} : { gc: { ttlSeconds: zone.gcTtlSeconds } }),
    ...(zone.globalReads === undefined ? {} : { globalReads: zone.globalReads }),
    ...(zone.numReplicas === undefined ? {} : { numReplicas: zone.numReplicas }),
    ...(zone.numVoters === undefined ? {} : { numVoters: zone.numVoters }),
    constraints: (zone.constraints ?? []).map(groupMessage),
    inheritedConstraints: zone.constraints === undefined,
    voterConstraints: (zone.voterConstraints ?? []).map(groupMessage),
    ...(zone.voterFlag === undefined ? {} : { nullVoterConstraintsIsEmpty: zone.voterFlag }),
    leasePreferences: (zone.leasePreferences ?? []).map((list) => ({ constraints: list.map(constraintMessage) })),
    inheritedLeasePreferences: zone.leasePreferences === undefined,
    subzones: zone.subzones.map(({ indexId, partitionName, config }) => ({
      indexId,
      partitionName,
      config: zoneMessage(config),
    })),
    subzoneSpans: zone.subzoneSpans.map(({ key, endKey, subzoneIndex }) => ({
      key,
      ...(endKey.length === 0 ? {} : { endKey }),
      subzoneIndex,
    })),
    ...(zone.unknown === undefined ? {} : { $unknowns: [...zone.unknown] }),
  };
}

/** Bytes of the config column; fields of newer releases that were read are written again. */
export function encodeZone(zone: ZoneConfig): Uint8Array {
  return ZoneMessage.encode(zoneMessage(zone)).finish();
}

/** True for a row that only holds subzones; its own fields do not count. */
export function isPlaceholder(zone: ZoneConfig): boolean {
  return zone.numReplicas === 0;
}

/** The placeholder with a zone's subzones. */
export function placeholderOf(zone: ZoneConfig): ZoneConfig {
  const { subzones, subzoneSpans } = zone;
  return {
    numReplicas: 0,
    constraints: [],
    voterConstraints: undefined,
    leasePreferences: [],
    subzones,
    subzoneSpans,
    voterFlag: false,
  };
}

/** `zone` with what it inherits from `parent` filled in. Subzones are its own. */
export function inherit(zone: ZoneConfig, parent: ZoneConfig): ZoneConfig {
  const voters = zone.voterConstraints ?? parent.voterConstraints;
  return {
    ...zone,
    rangeMinBytes: zone.rangeMinBytes ?? parent.rangeMinBytes,
    rangeMaxBytes: zone.rangeMaxBytes ?? parent.rangeMaxBytes,
    gcTtlSeconds: zone.gcTtlSeconds ?? parent.gcTtlSeconds,
    globalReads: zone.globalReads ?? parent.globalReads,
    numReplicas: zone.numReplicas || parent.numReplicas,
    numVoters: zone.numVoters || parent.numVoters,
    constraints: zone.constraints ?? parent.constraints,
    voterConstraints: voters,
    voterFlag: zone.voterConstraints === undefined ? parent.voterFlag : zone.voterFlag,
    leasePreferences: zone.leasePreferences ?? parent.leasePreferences,
  };
}
