import { SpanvaultError } from '../fault/index.js';
import type { ZoneConfig } from './zone_config.js';
import {
  type ConstraintGroup,
  nodeSatisfies,
  type PlacementNode,
  printConstraint,
  type ZoneConstraint,
} from './zone_constraints.js';

/** Smallest range_max_bytes. */
const MIN_RANGE_MAX_BYTES = 65_536n;

function invalid(sentence: string): SpanvaultError {
  return new SpanvaultError('SV_CONSTRAINT', `could not validate zone config: ${sentence}`);
}

function checkReplicas(zone: ZoneConfig): void {
  const { numReplicas, numVoters } = zone;
  if (numReplicas !== undefined) {
    if (numReplicas === 0 && zone.subzones.length > 0) return;
    if (numReplicas <= 0) throw invalid('at least one replica is required');
    if (numReplicas === 2 && !(numVoters !== undefined && numVoters > 0)) {
      throw invalid('at least 3 replicas are required for multi-replica configurations');
    }
  }
  if (numVoters === undefined) return;
  if (numVoters <= 0) throw invalid('at least one voting replica is required');
  if (numVoters === 2) throw invalid('at least 3 voting replicas are required for multi-replica configurations');
  if (numReplicas !== undefined && numVoters > numReplicas) {
    throw invalid('num_voters cannot be greater than num_replicas');
  }
}

function checkSizes(zone: ZoneConfig): void {
  const { rangeMinBytes: min, rangeMaxBytes: max, gcTtlSeconds } = zone;
  if (max !== undefined && max < MIN_RANGE_MAX_BYTES) {
    throw invalid(`RangeMaxBytes ${max} less than minimum allowed ${MIN_RANGE_MAX_BYTES}`);
  }
  if (min !== undefined && min < 0n) throw invalid(`RangeMinBytes ${min} less than minimum allowed 0`);
  if (min !== undefined && max !== undefined && min >= max) {
    throw invalid(`RangeMinBytes ${min} is greater than or equal to RangeMaxBytes ${max}`);
  }
  if (gcTtlSeconds !== undefined && gcTtlSeconds < 1) {
    throw invalid(`GC.TTLSeconds ${gcTtlSeconds} less than minimum allowed 1`);
  }
}

function isPerReplica(groups: readonly ConstraintGroup[]): boolean {
  return groups.length > 1 || (groups.length === 1 && groups[0]?.numReplicas !== 0);
}

function countReplicas(groups: readonly ConstraintGroup[]): number {
  for (const { numReplicas } of groups) {
    if (numReplicas <= 0) throw invalid('constraints must apply to at least one replica');
  }
  return groups.reduce((sum, { numReplicas }) => sum + numReplicas, 0);
}

function checkConstraints(zone: ZoneConfig): void {
  const groups = zone.constraints ?? [];
  if (groups.some(({ constraints }) => constraints.some(({ type }) => type === 'positive'))) {
    throw invalid("constraints must either be required (prefixed with a '+') or prohibited (prefixed with a '-')");
  }
  if (!isPerReplica(groups)) return;
  const sum = countReplicas(groups);
  for (const { constraints, numReplicas } of groups) {
    const isSubset = zone.numReplicas !== undefined && numReplicas !== zone.numReplicas;
    if (isSubset && constraints.some(({ type }) => type !== 'required')) {
      throw invalid("only required constraints (prefixed with a '+') can be applied to a subset of replicas");
    }
  }
  if (zone.numReplicas !== undefined && sum > zone.numReplicas) {
    throw invalid(
      `the number of replicas specified in constraints (${sum}) cannot be greater than the number of replicas configured for the zone (${zone.numReplicas})`,
    );
  }
}

function checkVoters(zone: ZoneConfig): void {
  const groups = zone.voterConstraints ?? [];
  for (const { type } of groups.flatMap(({ constraints }) => constraints)) {
    if (type === 'positive') throw invalid("voter_constraints must be of type 'required' (prefixed with a '+')");
    if (type === 'prohibited') throw invalid('voter_constraints cannot contain prohibitive constraints');
  }
  if (zone.numVoters !== undefined && isPerReplica(groups)) {
    const sum = countReplicas(groups);
    if (sum > zone.numVoters) {
      throw invalid(
        `the number of replicas specified in voter_constraints (${sum}) cannot be greater than the number of voters configured for the zone (${zone.numVoters})`,
      );
    }
  }
  const voters = groups.flatMap(({ constraints }) => constraints);
  for (const constraint of (zone.constraints ?? []).flatMap(({ constraints }) => constraints)) {
    const clash = voters.find(({ key, value }) => key === constraint.key && value === constraint.value);
    if (constraint.type === 'prohibited' && clash !== undefined) {
      throw invalid(
        `prohibitive constraint ${printConstraint(constraint)} conflicts with voter_constraint ${printConstraint(clash)}`,
      );
    }
  }
}

function checkLeasePreferences(zone: ZoneConfig): void {
  for (const preference of zone.leasePreferences ?? []) {
    if (preference.length === 0) throw invalid('every lease preference must include at least one constraint');
    if (preference.some(({ type }) => type === 'positive')) {
      throw invalid(
        "lease preference constraints must either be required (prefixed with a '+') or prohibited (prefixed with a '-')",
      );
    }
  }
}

/** Checks a zone with all that it inherits filled in. @throws SpanvaultError SV_CONSTRAINT with CockroachDB's words */
export function validateZone(zone: ZoneConfig): void {
  for (const { config } of zone.subzones) validateZone(config);
  checkReplicas(zone);
  if (zone.numReplicas === 0) return;
  checkSizes(zone);
  checkConstraints(zone);
  checkVoters(zone);
  checkLeasePreferences(zone);
}

/** Checks the fields that must be set together in what a user wrote. @throws SpanvaultError SV_CONSTRAINT */
export function validateTandem(zone: ZoneConfig): void {
  const fail = (sentence: string): SpanvaultError =>
    new SpanvaultError('SV_CONSTRAINT', `could not validate zone config: ${sentence}`, {
      hint: 'try ALTER ... CONFIGURE ZONE USING <field_name> = COPY FROM PARENT [, ...] to populate the field',
    });
  const sum = (groups: readonly ConstraintGroup[] | undefined): number =>
    (groups ?? []).reduce((total, { numReplicas }) => total + numReplicas, 0);
  const votersSet = zone.numVoters !== undefined && zone.numVoters > 0;
  if (sum(zone.constraints) > 0 && zone.numReplicas === undefined) {
    throw fail('when per-replica constraints are set, num_replicas must be set as well');
  }
  if (!votersSet && (zone.voterConstraints ?? []).length > 0) {
    throw fail('when voter_constraints are set, num_voters must be set as well');
  }
  if ((zone.rangeMinBytes === undefined) !== (zone.rangeMaxBytes === undefined)) {
    throw fail('range_min_bytes and range_max_bytes must be set together');
  }
  if (zone.leasePreferences === undefined) return;
  if (votersSet && zone.voterConstraints === undefined) {
    throw fail('lease preferences can not be set unless the voter_constraints are explicitly set as well');
  }
  if (!votersSet && zone.constraints === undefined) {
    throw fail('lease preferences can not be set unless the constraints are explicitly set as well');
  }
}

function clash(a: ZoneConstraint, b: ZoneConstraint): boolean {
  if (a.key === '' && b.key === '') return a.value === b.value;
  if (a.key !== b.key) return false;
  if (a.type === 'required' && b.type === 'required') return true;
  const opposite =
    (a.type === 'required' && b.type === 'prohibited') || (a.type === 'prohibited' && b.type === 'required');
  return opposite && a.value === b.value;
}

/** Refuses `[+region=a, +region=b]` and `[+region=a, -region=a]`. @throws SpanvaultError SV_CONSTRAINT */
export function validateNoRepeatedKeys(zone: ZoneConfig): void {
  for (const { constraints } of [...(zone.constraints ?? []), ...(zone.voterConstraints ?? [])]) {
    for (const [index, current] of constraints.entries()) {
      const other = constraints.slice(index + 1).find((one) => clash(current, one));
      if (other === undefined) continue;
      const names = [current, other].map((one) => JSON.stringify(printConstraint(one)));
      throw new SpanvaultError('SV_CONSTRAINT', `incompatible zone constraints: ${names.join(' and ')}`);
    }
  }
}

/**
 * Refuses required constraints that no node satisfies, as ALTER … CONFIGURE ZONE does; RESTORE does not.
 * @throws SpanvaultError SV_CONSTRAINT
 */
export function validateAgainstNodes(zone: ZoneConfig, nodes: readonly PlacementNode[]): void {
  const groups = [...(zone.constraints ?? []), ...(zone.voterConstraints ?? [])].map(({ constraints }) => constraints);
  for (const constraint of [...groups, ...(zone.leasePreferences ?? [])].flat()) {
    if (constraint.type === 'prohibited' || nodes.some((node) => nodeSatisfies(node, constraint))) continue;
    const name = JSON.stringify(printConstraint(constraint));
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      `constraint ${name} matches no existing nodes within the cluster - did you enter it correctly?`,
    );
  }
}
