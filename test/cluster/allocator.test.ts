import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConstraints, parseLeasePreferences } from '#src/catalog/index.js';
import { allocate, type PlacementRule, satisfiable, wantedLocality } from '#src/cluster/embedded/allocator.js';
import type { ClusterNode } from '#src/cluster/embedded/nodes.js';
import { parseLocality, printLocality } from '#src/keys/index.js';

function nodes(...localities: readonly string[]): ClusterNode[] {
  return localities.map((text, index) => ({ nodeId: index + 1, locality: parseLocality(text), status: 'live' }));
}

function rule(replicas: number, constraints = '[]', preferences = '[]'): PlacementRule {
  return {
    name: 'TABLE t',
    replicas,
    constraints: parseConstraints(constraints),
    leasePreferences: parseLeasePreferences(preferences),
  };
}

const UNLIMITED = {
  load: new Map(),
  limit: { bytes: Number.POSITIVE_INFINITY, leaseBytes: Number.POSITIVE_INFINITY },
};

const NINE = nodes(
  ...['us-west', 'us-east', 'eu-west'].flatMap((region) =>
    ['a', 'b', 'c'].map((az) => `region=${region},az=${region}-${az}`),
  ),
);

function place(wanted: PlacementRule, live = NINE, current?: { replicas: number[]; leaseholder: number }) {
  return allocate(satisfiable(wanted, live), live, current, UNLIMITED);
}

describe('allocate', () => {
  test('spreads replicas over regions before anything else', () => {
    expect(place(rule(3)).replicas).toEqual([1, 4, 7]);
    expect(place(rule(5)).replicas).toHaveLength(5);
  });

  test('keeps every replica where a constraint for all of them says', () => {
    expect(place(rule(3, '[+region=us-east]'))).toEqual({ replicas: [4, 5, 6], leaseholder: 4 });
    expect(place(rule(3, '[+region=us-east, -az=us-east-a]')).replicas).toEqual([5, 6]);
  });

  test('honours counts per replica and leaves the rest free', () => {
    const { replicas } = place(rule(3, '{"+region=eu-west": 2}'));
    expect(replicas.filter((nodeId) => nodeId >= 7)).toHaveLength(2);
    expect(replicas).toHaveLength(3);
  });

  test('gives the lease to the first preference that a replica meets', () => {
    expect(place(rule(3, '[]', '[[+region=mars], [+region=eu-west]]')).leaseholder).toBe(7);
  });

  test('takes an unsatisfiable constraint as absent and says so', () => {
    const satisfied = satisfiable(rule(3, '[+region=mars]'), NINE);
    expect(satisfied.warnings).toEqual([
      "zone configuration of TABLE t: no live node satisfies constraint '+region=mars'; it is ignored until one joins",
    ]);
    expect(place(rule(3, '[+region=mars]')).replicas).toEqual(place(rule(3)).replicas);
  });

  test('stays where the range is when that is as good', () => {
    const current = { replicas: [2, 5, 8], leaseholder: 8 };
    expect(place(rule(3), NINE, current)).toEqual(current);
  });

  test('is deterministic and always names live, distinct nodes', () => {
    const locality = fc.record({ region: fc.constantFrom('a', 'b', 'c'), az: fc.constantFrom('1', '2') });
    const constraint = fc.constantFrom(
      '[]',
      '[+region=a]',
      '[-region=b]',
      '[+region=z]',
      '{"+region=a": 1, "+region=b": 1}',
    );
    fc.assert(
      fc.property(
        fc.array(locality, { minLength: 1, maxLength: 6 }),
        constraint,
        fc.integer({ min: 1, max: 5 }),
        (places, text, count) => {
          const live = nodes(...places.map(({ region, az }) => `region=${region},az=${az}`));
          const first = place(rule(count, text), live);
          expect(place(rule(count, text), live)).toEqual(first);
          expect(new Set(first.replicas).size).toBe(first.replicas.length);
          expect(first.replicas.length).toBeLessThanOrEqual(Math.min(count, live.length));
          expect(first.replicas).toContain(first.leaseholder);
          if (text === '[+region=a]' && places.some(({ region }) => region === 'a')) {
            for (const nodeId of first.replicas) expect(places[nodeId - 1]!.region).toBe('a');
          }
        },
      ),
    );
  });
});

describe('wantedLocality', () => {
  const text = (wanted: PlacementRule) => {
    const locality = wantedLocality(wanted);
    return locality === undefined ? undefined : printLocality(locality);
  };

  test('is what is required of all replicas, else the lease preference, else a single group', () => {
    expect(text(rule(3))).toBeUndefined();
    expect(text(rule(3, '[+region=a, -az=x]', '[[+region=b]]'))).toBe('region=a');
    expect(text(rule(3, '{"+region=a": 1, "+region=b": 1}', '[[+region=b]]'))).toBe('region=b');
    expect(text(rule(3, '{"+region=a": 1}'))).toBe('region=a');
    expect(text(rule(3, '[-region=a]'))).toBeUndefined();
  });
});
