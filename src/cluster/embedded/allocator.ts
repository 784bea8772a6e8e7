import { type ConstraintGroup, nodeSatisfies, printConstraint, type ZoneConstraint } from '../../catalog/index.js';
import { type Locality, sharedTiers, type Tier } from '../../keys/index.js';
import type { ClusterNode } from './nodes.js';

/** What a zone configuration asks of the placement of a range, inheritance resolved. */
export interface PlacementRule {
  /** For warnings: `TABLE movr.public.rides`, `PARTITION us_west OF …`. */
  readonly name: string;
  readonly replicas: number;
  readonly constraints: readonly ConstraintGroup[];
  /** Most wanted first. */
  readonly leasePreferences: readonly (readonly ZoneConstraint[])[];
}

/** Where a range lies. */
export interface Placement {
  readonly replicas: readonly number[];
  readonly leaseholder: number;
}

/** Bytes of replicas, and of ranges led, per node so far; the caller adds what is placed. */
export interface NodeLoad {
  bytes: number;
  leaseBytes: number;
}

/** A rule as the live nodes can satisfy it. */
export interface SatisfiableRule extends PlacementRule {
  readonly warnings: readonly string[];
}

function satisfiesAll(node: ClusterNode, constraints: readonly ZoneConstraint[]): boolean {
  return constraints.every((constraint) => nodeSatisfies(node, constraint));
}

/**
 * The rule without the constraints that no live node satisfies (S34): data is placed as though they did not exist, and
 * a warning names each. The configuration itself stays as it is, so they take effect when such a node joins.
 */
export function satisfiable(rule: PlacementRule, live: readonly ClusterNode[]): SatisfiableRule {
  const warnings: string[] = [];
  const constraints = rule.constraints.filter((group) => {
    if (live.some((node) => satisfiesAll(node, group.constraints))) return true;
    const text = group.constraints.map(printConstraint).join(',');
    warnings.push(
      `zone configuration of ${rule.name}: no live node satisfies constraint '${text}'; it is ignored until one joins`,
    );
    return false;
  });
  const leasePreferences = rule.leasePreferences.filter((preference) =>
    live.some((node) => satisfiesAll(node, preference)),
  );
  return { ...rule, constraints, leasePreferences, warnings };
}

/**
 * The locality that a rule asks for: the tiers required of every replica, else those of the first lease preference,
 * else those that a per-replica group requires when it is the only one. Undefined when nothing is required.
 */
export function wantedLocality(rule: PlacementRule): Locality | undefined {
  const required = (constraints: readonly ZoneConstraint[]): Tier[] =>
    constraints.filter(({ type, key }) => type === 'required' && key !== '').map(({ key, value }) => ({ key, value }));
  const everywhere = rule.constraints
    .filter((group) => group.numReplicas === 0)
    .flatMap((group) => required(group.constraints));
  if (everywhere.length > 0) return everywhere;
  const preferred = required(rule.leasePreferences[0] ?? []);
  if (preferred.length > 0) return preferred;
  const single = rule.constraints.length === 1 ? required(rule.constraints[0]!.constraints) : [];
  return single.length > 0 ? single : undefined;
}

/** Tiers that a node shares with the chosen ones: the less, the more diverse the range. */
function crowding(node: ClusterNode, chosen: readonly ClusterNode[]): number {
  return chosen.reduce((sum, other) => sum + sharedTiers(node.locality, other.locality), 0);
}

/** What nodes hold so far, and the most that a node should hold: beyond it a range may leave the node it lies on. */
export interface Balance {
  readonly load: ReadonlyMap<number, NodeLoad>;
  readonly limit: NodeLoad;
}

const NO_LOAD: NodeLoad = { bytes: 0, leaseBytes: 0 };

/**
 * Places one range: a pure function of the rule, the live nodes, where the range lies now and how loaded nodes are. The
 * most diverse nodes win; ties are broken by staying where the data is, then by bytes, then by node id, so equal input
 * gives equal output. `live` is not empty.
 */
export function allocate(
  rule: SatisfiableRule,
  live: readonly ClusterNode[],
  current: Placement | undefined,
  balance: Balance,
): Placement {
  const everywhere = rule.constraints.filter((group) => group.numReplicas === 0).flatMap((group) => group.constraints);
  let candidates = live.filter((node) => satisfiesAll(node, everywhere));
  // Groups that are satisfiable one by one may exclude each other; then none of them counts.
  if (candidates.length === 0) candidates = [...live];
  const bytesOf = (node: ClusterNode): number => (balance.load.get(node.nodeId) ?? NO_LOAD).bytes;
  const stays = (node: ClusterNode): number =>
    current?.replicas.includes(node.nodeId) === true && bytesOf(node) < balance.limit.bytes ? 0 : 1;
  const order = (chosen: readonly ClusterNode[]) => (a: ClusterNode, b: ClusterNode) =>
    crowding(a, chosen) - crowding(b, chosen) || stays(a) - stays(b) || bytesOf(a) - bytesOf(b) || a.nodeId - b.nodeId;
  const chosen: ClusterNode[] = [];
  const take = (from: readonly ClusterNode[], count: number): void => {
    for (let taken = 0; taken < count && chosen.length < rule.replicas; taken++) {
      const [best] = from.filter((node) => !chosen.includes(node)).sort(order(chosen));
      if (best === undefined) return;
      chosen.push(best);
    }
  };
  for (const group of rule.constraints) {
    if (group.numReplicas > 0)
      take(
        candidates.filter((node) => satisfiesAll(node, group.constraints)),
        group.numReplicas,
      );
  }
  take(candidates, Math.max(rule.replicas, 1) - chosen.length);
  if (chosen.length === 0) chosen.push(candidates[0]!);
  return {
    replicas: chosen.map((node) => node.nodeId).sort((a, b) => a - b),
    leaseholder: pickLeaseholder(rule, chosen, current, balance),
  };
}

function pickLeaseholder(
  rule: SatisfiableRule,
  replicas: readonly ClusterNode[],
  current: Placement | undefined,
  balance: Balance,
): number {
  let eligible = replicas;
  for (const preference of rule.leasePreferences) {
    const preferred = replicas.filter((node) => satisfiesAll(node, preference));
    if (preferred.length === 0) continue;
    eligible = preferred;
    break;
  }
  const leaseBytesOf = (node: ClusterNode): number => (balance.load.get(node.nodeId) ?? NO_LOAD).leaseBytes;
  const stays = eligible.find(
    (node) => node.nodeId === current?.leaseholder && leaseBytesOf(node) < balance.limit.leaseBytes,
  );
  if (stays !== undefined) return stays.nodeId;
  const [best] = [...eligible].sort((a, b) => leaseBytesOf(a) - leaseBytesOf(b) || a.nodeId - b.nodeId);
  return best!.nodeId;
}
