import { describe, expect, it } from 'vitest';
import { buildDatabase, decodeDescriptor, stampDescriptor } from '#src/catalog/index.js';
import { EMPTY_TIMESTAMP } from '#src/keys/index.js';
import { type DescriptorRevision, EMPTY_MANIFEST, type Manifest } from '#src/manifest/index.js';
import { catalogAt } from '#src/restore/catalog_at.js';

const time = (wall: number) => ({ wall: BigInt(wall), logical: 0 });
/** A database's descriptor; the time tells its versions apart. */
const database = (id: number, name: string, wall = 1): Uint8Array => buildDatabase(name, id, time(wall));
const layer = (
  end: number,
  descriptors: readonly Uint8Array[],
  changes: readonly DescriptorRevision[] = [],
  coverage: Manifest['descriptorCoverage'] = 'requested',
): Manifest => ({
  ...EMPTY_MANIFEST,
  endTime: time(end),
  descriptors,
  descriptorChanges: changes,
  descriptorCoverage: coverage,
});
const change = (wall: number, id: number, name?: string): DescriptorRevision => ({
  time: time(wall),
  id,
  desc: name === undefined ? undefined : database(id, name, wall),
});
const names = (layers: readonly Manifest[], wall: number, asked: boolean): string[] =>
  catalogAt(layers, time(wall), asked).map((raw) => decodeDescriptor(raw).name);

describe('catalogAt', () => {
  const chain = [layer(10, [database(50, 'a'), database(51, 'b')]), layer(20, [database(50, 'a2'), database(52, 'c')])];

  it('without revisions, is the last layer’s catalog', () => {
    expect(names(chain, 20, false)).toEqual(['a2', 'c']);
    expect(names(chain, 20, true)).toEqual(['a2', 'c']);
    expect(names(chain.slice(0, 1), 10, false)).toEqual(['a', 'b']);
  });

  const history = [
    layer(
      10,
      [database(50, 'last')],
      [change(1, 50, 'one'), change(5, 50, 'five'), change(6, 51, 'gone'), change(8, 51), change(9, 50, 'last')],
    ),
    layer(20, [database(50, 'newest')], [change(15, 50, 'newest'), change(16, 53, 'late')]),
  ];

  it('at a time asked for, is the newest revision of each id at or before it', () => {
    expect(names(history, 4, true)).toEqual(['one']);
    expect(names(history, 5, true)).toEqual(['five']);
    expect(names(history, 6, true)).toEqual(['five', 'gone']);
    expect(names(history, 8, true)).toEqual(['five']);
    expect(names(history, 9, true)).toEqual(['last']);
    expect(names(history, 16, true)).toEqual(['newest', 'late']);
  });

  it('with no time asked for, is the last layer’s own word, but for cluster backups', () => {
    expect(names(history, 20, false)).toEqual(['newest']);
    const cluster = history.map((one): Manifest => ({ ...one, descriptorCoverage: 'cluster' }));
    expect(names(cluster, 20, false)).toEqual(['newest', 'late']);
  });

  it('takes a layer without history as a whole catalog: what it does not name is gone', () => {
    expect(names([layer(5, [database(40, 'old')]), history[0]!], 10, true)).toEqual(['old', 'last']);
    expect(names([history[0]!, layer(20, [database(60, 'only')])], 20, true)).toEqual(['only']);
  });

  it('orders equal times by the later entry', () => {
    const both = layer(10, [], [change(3, 50, 'first'), change(3, 50, 'second')]);
    expect(names([both], 3, true)).toEqual(['second']);
  });

  it('keeps the bytes of every descriptor', () => {
    const raw = stampDescriptor(decodeDescriptor(database(50, 'a')), 7, EMPTY_TIMESTAMP);
    expect(catalogAt([layer(10, [raw])], time(10), false)).toEqual([raw]);
  });
});
