import { describe, expect, test } from 'vitest';
import { buildDatabase, Catalog, decodeDescriptor, regionStatements } from '#src/catalog/index.js';
import { planIntoCluster } from '#src/cluster/embedded/restore_state.js';
import { EMPTY_TIMESTAMP, parseLocality } from '#src/keys/index.js';
import { Descriptor } from '../catalog/messages.js';

/*
 * Multi-region databases: what SHOW BACKUP says of their regions, and the check before a restore.
 */

const TIME = { wall: 1n, logical: 0 };

/** A database of three regions, and its region type. */
function multiRegion(): readonly Uint8Array[] {
  const database = Descriptor.decode(buildDatabase('mr', 100, TIME));
  database.database!.regionConfig = { primaryRegion: 'us-east', regionEnumId: 101 };
  const type = Descriptor.create({
    type: {
      parentId: 100,
      parentSchemaId: 29,
      name: 'crdb_internal_region',
      id: 101,
      // MULTIREGION_ENUM
      kind: 2,
      enumMembers: ['europe', 'us-east', 'us-west'].map((region, index) => ({
        physicalRepresentation: Uint8Array.of(0x40 * (index + 1)),
        logicalRepresentation: region,
      })),
      version: 1,
    },
  });
  return [Descriptor.encode(database).finish(), Descriptor.encode(type).finish()];
}

const scopeOf = (skipLocalitiesCheck: boolean) => ({
  coverage: 'requested' as const,
  targets: { kind: 'databases' as const, names: ['mr'] },
  descriptors: multiRegion(),
  endTime: TIME,
  options: { skipLocalitiesCheck },
});

const targetOf = (...regions: readonly string[]) => ({
  existing: new Catalog([]),
  nodes: regions.map((region, index) => ({
    nodeId: index + 1,
    locality: parseLocality(`region=${region}`),
    status: 'live' as const,
  })),
  nextId: 200,
  time: EMPTY_TIMESTAMP,
});

describe('a database with regions', () => {
  test('SHOW BACKUP tells the statements that make them', () => {
    const catalog = Catalog.decode(multiRegion());
    const database = decodeDescriptor(multiRegion()[0]!);
    expect(database.kind === 'database' && regionStatements(catalog, database)).toBe(
      'ALTER DATABASE mr SET PRIMARY REGION "us-east"; ALTER DATABASE mr ADD REGION "europe"; ALTER DATABASE mr ADD REGION "us-west";',
    );
  });

  test('R #101797: is refused where a region has no node, and skip_localities_check lets it through', () => {
    expect(() => planIntoCluster(scopeOf(false), targetOf('us-east'))).toThrow(
      'detected a mismatch in regions between the restore cluster and the backup cluster, missing regions detected: europe, us-west.',
    );
    expect(planIntoCluster(scopeOf(true), targetOf('us-east')).databases).toEqual(['mr']);
    expect(planIntoCluster(scopeOf(false), targetOf('us-west', 'europe', 'us-east')).databases).toEqual(['mr']);
  });
});
