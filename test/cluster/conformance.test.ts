import { describe, it } from 'vitest';
import { BANK_TABLE, indexPrefix, tableIndexSpans, tableSpan } from '#src/catalog/index.js';
import { readEntries } from '#src/cluster/embedded/entries.js';
import { packPairs } from '#src/cluster/embedded/packed_batch.js';
import { type EmbeddedCluster, type RestoreScope, workloadInit } from '#src/cluster/index.js';
import {
  rangeSinkConformance,
  rangeSourceConformance,
  type SinkUnderTest,
  type SourceUnderTest,
} from '#src/conformance/index.js';
import { concatBytes, fromHex, MAX_TIMESTAMP, type Span, toHex } from '#src/keys/index.js';
import { MemoryStore, printVersions } from './memory_store.js';
import { temporaryCluster } from './temporary_cluster.js';

const RUNNER = { describe, it };
const SPAN: Span = { key: fromHex('bd89'), endKey: fromHex('bd8a') };

async function memorySource(): Promise<SourceUnderTest> {
  const store = new MemoryStore();
  return {
    source: store.source(),
    span: SPAN,
    targets: { kind: 'spans', spans: [SPAN] },
    missing: { kind: 'databases', names: ['none'] },
    put: async (key, value) => store.put(key, value),
    dispose: async () => undefined,
  };
}

async function embeddedSource(): Promise<SourceUnderTest> {
  const { cluster, dispose } = await temporaryCluster();
  await cluster.createDatabase('bank');
  const [table] = await cluster.createTables('bank', [BANK_TABLE]);
  return {
    source: cluster.source(),
    span: tableIndexSpans(table!)[0]!,
    targets: { kind: 'tables', patterns: ['bank.*'], currentDatabase: 'defaultdb' },
    missing: { kind: 'tables', patterns: ['bank.none'], currentDatabase: 'defaultdb' },
    async put(key, value) {
      const time = cluster.now();
      cluster.core.write(packPairs([{ key, value }], time));
      return time;
    },
    dispose,
  };
}

async function memorySink(): Promise<SinkUnderTest> {
  const store = new MemoryStore();
  store.put(fromHex('99 89 01'), fromHex('00000000 03 61'));
  const entries = ['01', '02', '03'].map((id) => ({
    key: concatBytes(SPAN.key, fromHex(id)),
    value: fromHex(`00000000 03 ${id}`),
  }));
  const everything: Span = { key: new Uint8Array(0), endKey: Uint8Array.of(0xff, 0xff) };
  const wanted = entries.map(({ key, value }) => `${toHex(key)}=${toHex(value)}`).join('\n');
  return {
    sink: store.sink(),
    scope: {
      coverage: 'requested',
      targets: { kind: 'spans', spans: [SPAN] },
      descriptors: [],
      endTime: { wall: 1n, logical: 0 },
      options: {},
    },
    entries,
    visible: async () => printVersions(store.live(everything, store.now())),
    restored: async () => printVersions(store.live(SPAN, store.now())) === wanted,
    now: () => store.now(),
    dispose: async () => undefined,
  };
}

/** Everything that a reader sees: catalog, zone configurations, and fingerprints of every table that holds rows. */
async function visible(cluster: EmbeddedCluster): Promise<string> {
  const lines = cluster.zones().map(({ target, rawConfigSql }) => `${target}: ${rawConfigSql}`);
  for (const descriptor of cluster.catalog().descriptors) {
    lines.push(`${descriptor.id} ${descriptor.kind} ${descriptor.name} ${toHex(descriptor.raw)}`);
    if (descriptor.kind === 'table') lines.push(JSON.stringify(await cluster.rows.fingerprints(descriptor)));
  }
  return lines.join('\n');
}

/** A sink that restores the bank database of another cluster, or that whole cluster. */
async function embeddedSink(kind: 'databases' | 'cluster'): Promise<SinkUnderTest> {
  const from = await temporaryCluster();
  await workloadInit(from.cluster, 'bank', { rows: 100 });
  await from.cluster.configureZone(
    { kind: 'database', name: 'bank' },
    { kind: 'set', settings: [{ name: 'constraints', value: '[+region=us-east1]' }] },
  );
  const targets = kind === 'cluster' ? ({ kind } as const) : ({ kind, names: ['bank'] } as const);
  const resolved = await from.cluster.source().resolve(targets, from.cluster.now());
  const entries = resolved.spans.flatMap((span) => [...readEntries(from.cluster.core.store, span, MAX_TIMESTAMP)]);
  const wanted = JSON.stringify(await from.cluster.rows.fingerprints(from.cluster.table('bank.bank')));
  const zones = JSON.stringify(from.cluster.zones());
  const descriptors =
    kind === 'cluster' ? from.cluster.catalog().descriptors.map(({ raw }) => raw) : resolved.descriptors;
  await from.dispose();
  const { cluster, dispose } = await temporaryCluster();
  const scope: RestoreScope = {
    coverage: resolved.coverage,
    targets,
    descriptors,
    endTime: cluster.now(),
    options: {},
  };
  return {
    sink: cluster.sink(),
    scope,
    entries,
    visible: () => visible(cluster),
    async restored() {
      const table = cluster.catalog().database('bank') && cluster.table('bank.bank');
      if (table === undefined || JSON.stringify(await cluster.rows.fingerprints(table)) !== wanted) return false;
      const keys = [...readEntries(cluster.core.store, tableSpan(table.id), MAX_TIMESTAMP)];
      const prefix = toHex(indexPrefix(table.id, 1));
      if (!keys.every(({ key }) => toHex(key).startsWith(prefix))) return false;
      return kind !== 'cluster' || JSON.stringify(cluster.zones()) === zones;
    },
    now: () => cluster.now(),
    dispose,
  };
}

rangeSourceConformance('a store in memory', memorySource, RUNNER);
rangeSourceConformance('the embedded cluster', embeddedSource, RUNNER);
rangeSinkConformance('a store in memory', memorySink, RUNNER);
rangeSinkConformance('the embedded cluster, one database', () => embeddedSink('databases'), RUNNER);
rangeSinkConformance('the embedded cluster, all of it', () => embeddedSink('cluster'), RUNNER);
