import { afterEach, expect, test } from 'vitest';
import { embeddedHost } from '#src/cli/embedded_host.js';
import { openCluster } from '#src/cluster/index.js';
import { temporaryCluster } from '../cluster/temporary_cluster.js';
import { runWith } from './fakes.js';

/*
 * `spanvault cluster gc` and `cluster protected` on a real cluster.
 */

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

test('collects garbage, lists protected times and lets one go', async () => {
  const { cluster, directory, dispose } = await temporaryCluster(['']);
  disposals.push(dispose);
  const { id } = cluster.protectTimestamp({ time: cluster.now(), what: 'a weekly chain', spans: [] });
  await cluster.close();
  const run = (...args: string[]) =>
    runWith(embeddedHost, ['cluster', ...args, '--cluster', directory, '--format', 'csv']);
  const collected = await run('gc');
  expect(collected.stdout).toMatch(/^versions,bytes,bytes_visited,protected_times\n0,0,\d+,1\n$/);
  expect((await run('protected')).stdout).toMatch(new RegExp(`^id,time,what\n${id},[0-9:. -]+,a weekly chain\n$`));
  expect((await run('protected', '--release', id)).stdout).toBe('id,time,what\n');
  const again = await run('protected', '--release', id);
  expect([again.code, again.stderr]).toEqual([
    2,
    expect.stringContaining(`there is no protected timestamp with id ${id}`),
  ]);
  const left = await openCluster(directory);
  expect(left.protectedTimestamps()).toEqual([]);
  await left.close();
});
