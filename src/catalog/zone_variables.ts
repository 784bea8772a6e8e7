import { SpanvaultError } from '../fault/index.js';
import type { ZoneConfig } from './zone_config.js';
import { parseConstraints, parseLeasePreferences } from './zone_constraints.js';

export type ZoneValue = string | number | bigint | boolean;

/** One `variable = value` or `variable = COPY FROM PARENT`. */
export type ZoneSetting = { readonly name: string } & (
  | { readonly value: ZoneValue }
  | { readonly copyFromParent: true }
);

function requireType<T>(
  setting: string,
  value: ZoneValue,
  convert: (value: ZoneValue) => T | undefined,
  type: string,
): T {
  const converted = convert(value);
  if (converted === undefined) {
    throw new SpanvaultError(
      'SV_USAGE',
      `argument of ${setting} must be type ${type}, not ${JSON.stringify(String(value))}`,
    );
  }
  return converted;
}

const asBig = (value: ZoneValue): bigint | undefined =>
  typeof value === 'bigint' ? value : typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
const asInt = (value: ZoneValue): number | undefined => {
  const big = asBig(value);
  return big === undefined || big > 2n ** 31n - 1n || big < -(2n ** 31n) ? undefined : Number(big);
};
const asText = (value: ZoneValue): string | undefined => (typeof value === 'string' ? value : undefined);
const asBool = (value: ZoneValue): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

type Fields = Partial<ZoneConfig>;

/** Fields that each variable sets, from a value and from a complete parent. */
const VARIABLES: Readonly<
  Record<string, { readonly set: (value: ZoneValue) => Fields; readonly copy: (from: ZoneConfig) => Fields }>
> = {
  range_min_bytes: {
    set: (value) => ({ rangeMinBytes: requireType('range_min_bytes', value, asBig, 'int') }),
    copy: ({ rangeMinBytes }) => ({ rangeMinBytes }),
  },
  range_max_bytes: {
    set: (value) => ({ rangeMaxBytes: requireType('range_max_bytes', value, asBig, 'int') }),
    copy: ({ rangeMaxBytes }) => ({ rangeMaxBytes }),
  },
  'gc.ttlseconds': {
    set: (value) => ({ gcTtlSeconds: requireType('gc.ttlseconds', value, asInt, 'int') }),
    copy: ({ gcTtlSeconds }) => ({ gcTtlSeconds }),
  },
  num_replicas: {
    set: (value) => ({ numReplicas: requireType('num_replicas', value, asInt, 'int') }),
    copy: ({ numReplicas }) => ({ numReplicas }),
  },
  num_voters: {
    set: (value) => ({ numVoters: requireType('num_voters', value, asInt, 'int') }),
    copy: ({ numVoters }) => ({ numVoters }),
  },
  global_reads: {
    set: (value) => ({ globalReads: requireType('global_reads', value, asBool, 'bool') }),
    copy: ({ globalReads }) => ({ globalReads }),
  },
  constraints: {
    set: (value) => ({ constraints: parseConstraints(requireType('constraints', value, asText, 'string')) }),
    copy: ({ constraints }) => ({ constraints }),
  },
  voter_constraints: {
    set: (value) => ({
      voterConstraints: parseConstraints(requireType('voter_constraints', value, asText, 'string')),
      voterFlag: true,
    }),
    copy: ({ voterConstraints, voterFlag }) => ({ voterConstraints, voterFlag }),
  },
  lease_preferences: {
    set: (value) => ({
      leasePreferences: parseLeasePreferences(requireType('lease_preferences', value, asText, 'string')),
    }),
    copy: ({ leasePreferences }) => ({ leasePreferences }),
  },
};

/** `zone` with settings applied; COPY FROM PARENT takes the value that `parent`, complete, has. @throws SpanvaultError SV_USAGE, SV_CONSTRAINT */
export function applySettings(zone: ZoneConfig, settings: readonly ZoneSetting[], parent: ZoneConfig): ZoneConfig {
  const seen = new Set<string>();
  let edited = zone;
  for (const setting of settings) {
    const variable = VARIABLES[setting.name];
    if (variable === undefined) {
      throw new SpanvaultError('SV_USAGE', `unsupported zone config parameter: ${JSON.stringify(setting.name)}`);
    }
    if (seen.has(setting.name)) {
      throw new SpanvaultError('SV_USAGE', `duplicate zone config parameter: ${JSON.stringify(setting.name)}`);
    }
    seen.add(setting.name);
    edited = { ...edited, ...('value' in setting ? variable.set(setting.value) : variable.copy(parent)) };
  }
  return edited;
}
