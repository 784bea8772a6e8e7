import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backup } from '#src/backup/index.js';
import { type EmbeddedCluster, workloadInit } from '#src/cluster/index.js';
import { openBackup } from '#src/collection/index.js';
import { type BucketUsage, measureStorage, openStorage } from '#src/storage/index.js';
import { showBackup } from '#src/verify/index.js';
import { hasVersitygw, type S3Server, startVersitygw } from '../storage/servers/versitygw.js';
import { closeAll, newCluster, storageOf } from './test_cluster.js';

const MOVR = { kind: 'databases', names: ['movr'] } as const;

/** A collection in three locations, bare, the default one in the middle. */
interface Place {
  readonly name: string;
  open(): Promise<{ readonly uris: readonly [string, string, string]; stop(): Promise<void> }>;
}

const MEMORY: Place = {
  name: 'memory',
  open: async () => ({
    uris: ['memory://requests/west', 'memory://requests/east', 'memory://requests/europe'],
    stop: async () => undefined,
  }),
};

const S3: Place = {
  name: 's3',
  open: async () => {
    const server: S3Server = await startVersitygw();
    await server.makeBucket('requests');
    return {
      uris: [server.uri('requests/west'), server.uri('requests/east'), server.uri('requests/europe')],
      stop: () => server.stop(),
    };
  },
};

/*
 * What opening costs: listings and reads that depend on the numbers of locations and layers alone. The locations are three,
 * and nothing tells which one is the default, so the first one is asked for LATEST in vain, by a read. The one listing for the layers
 * sees both of their default places; the names of LATEST hold times that nobody can guess, so that LATEST takes another one.
 */
for (const place of [MEMORY, ...(hasVersitygw ? [S3] : [])]) {
  describe(`requests on ${place.name}`, () => {
    let cluster: EmbeddedCluster;
    let uris: readonly [string, string, string];
    let stop = async (): Promise<void> => undefined;
    const take = async (appendTo?: string): Promise<string> => {
      const [west, east, europe] = uris.map((uri) => `${uri}${uri.includes('?') ? '&' : '?'}COCKROACH_LOCALITY=`);
      const into = [`${east}default`, `${west}region%3Dus-west1`, `${europe}region%3Deurope-west1`];
      const storage = storageOf(cluster);
      const append = appendTo === undefined ? {} : { appendTo };
      return (await backup({ source: cluster.source(), into, targets: MOVR, storage, workers: 0, ...append })).subdir;
    };
    beforeAll(async () => {
      ({ uris, stop } = await place.open());
      cluster = await newCluster();
      await workloadInit(cluster, 'movr', { rows: 60 });
    });
    afterAll(async () => {
      await closeAll();
      await stop();
    });

    /** Calls by operation, and the requests that the driver counts. */
    async function costOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
      const usages = await measureStorage(async (ledger) => {
        await work();
        return ledger.usages();
      });
      const [{ operations, requests }] = usages as readonly [BucketUsage];
      const calls = Object.entries(operations).flatMap(([name, { calls: count }]) =>
        count > 0 ? [[name, count]] : [],
      );
      expect(usages).toHaveLength(1);
      return { ...Object.fromEntries(calls), ...requests };
    }

    const lists = (list: number) => ({ list, ...(place === S3 ? { ListObjectsV2: list } : {}) });
    const reads = (read: number, size: number) => ({
      read,
      size,
      ...(place === S3 ? { GetObject: read, HeadObject: size } : {}),
    });

    it('opens and shows a full, and a chain of three layers, with the same listings and a few reads per layer', async () => {
      const subdir = await take();
      const opening = () => openBackup({ uris, subdir: 'LATEST', settings: storageOf(cluster) });
      const showing = () => showBackup({ in: uris, from: 'LATEST', storage: storageOf(cluster) });
      // The plain LATEST twice, with the one miss, and the newest LATEST; manifest, checksum, two partition descriptors.
      expect(await costOf(opening)).toEqual({ ...lists(2), ...reads(7, 1) });
      // And the lists of files and descriptors, which are files of their own.
      expect(await costOf(showing)).toEqual({ ...lists(2), ...reads(9, 1) });
      await take(subdir);
      await take(subdir);
      // A name that the manifest of an incremental does not have; manifest, checksum, two partition descriptors.
      expect(await costOf(opening)).toEqual({ ...lists(2), ...reads(7 + 2 * 5, 1) });
      expect(await costOf(showing)).toEqual({ ...lists(2), ...reads(9 + 2 * 5, 1) });
    });

    it('asks no further where the list names the default one, and by one listing more per location where no LATEST is plain', async () => {
      await take();
      const [west, east, europe] = uris;
      const marked = `${east}${east.includes('?') ? '&' : '?'}COCKROACH_LOCALITY=default`;
      const open = (...given: string[]) => openBackup({ uris: given, subdir: 'LATEST', settings: storageOf(cluster) });
      expect(await costOf(() => open(west, marked, europe))).toEqual({ ...lists(2), ...reads(5, 1) });
      // As CockroachDB since 22.1 leaves it.
      const root = openStorage({ uri: east, settings: {} });
      const { bytes } = await root.read('LATEST');
      await root.delete('LATEST');
      expect(await costOf(() => open(west, marked, europe))).toEqual({ ...lists(2), ...reads(5, 1) });
      // Three misses, and one more after the listing in vain.
      expect(await costOf(() => open(west, east, europe))).toEqual({ ...lists(3), ...reads(4 + 5, 1) });
      await root.write('LATEST', bytes);
    });

    it('pays nothing for other backups of the collection', async () => {
      const subdir = await take();
      const opening = () => openBackup({ uris, subdir, settings: storageOf(cluster) });
      const before = await costOf(opening);
      // The three names of a manifest in the first location, which is not the default one.
      expect(before).toEqual({ ...reads(4, 4), ...lists(1) });
      await take();
      expect(await costOf(opening)).toEqual(before);
    });
  });
}
