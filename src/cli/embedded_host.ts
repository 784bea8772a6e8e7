import { type ClusterNode, initCluster, openCluster, workloadInit } from '../cluster/index.js';
import { parseLocality, printLocality, printTimestamp } from '../keys/index.js';
import { type Engine, openEngine } from '../statements/index.js';
import type { EngineSettings, Host, LoadedWorkload, ShownNode, Workload } from './host.js';
import { printBytes } from './quantities.js';

function shownNode({ nodeId, locality, status }: ClusterNode): ShownNode {
  return { nodeId, locality: printLocality(locality), status };
}

/** Commands on embedded clusters. */
export const embeddedHost: Host = {
  async initCluster(directory: string, localities: readonly string[]): Promise<readonly ShownNode[]> {
    await initCluster(directory, { nodes: localities.map(parseLocality) });
    return this.nodes(directory);
  },

  async addNode(directory, locality) {
    const cluster = await openCluster(directory);
    try {
      const { nodeId, rangesMoved, bytesMoved, warnings } = await cluster.addNode(parseLocality(locality));
      const node = cluster.nodes().find((one) => one.nodeId === nodeId)!;
      const moved = rangesMoved === 0 ? [] : [`${rangesMoved} ranges moved, ${printBytes(bytesMoved)}`];
      return { node: shownNode(node), notices: [...moved, ...warnings] };
    } finally {
      await cluster.close();
    }
  },

  async nodes(directory: string): Promise<readonly ShownNode[]> {
    const cluster = await openCluster(directory, { readOnly: true });
    try {
      return cluster.nodes().map(shownNode);
    } finally {
      await cluster.close();
    }
  },

  async collectGarbage(directory) {
    const cluster = await openCluster(directory);
    try {
      const { versions, bytes, bytesVisited } = await cluster.collectGarbage();
      return { versions, bytes, bytesVisited, protectedTimes: cluster.protectedTimestamps().length };
    } finally {
      await cluster.close();
    }
  },

  async protectedTimestamps(directory) {
    const cluster = await openCluster(directory, { readOnly: true });
    try {
      const all = cluster.protectedTimestamps();
      return all.map(({ id, time, what }) => ({ id, time: printTimestamp(time), what }));
    } finally {
      await cluster.close();
    }
  },

  async releaseTimestamp(directory, id) {
    const cluster = await openCluster(directory);
    try {
      cluster.releaseTimestamp(id);
    } finally {
      await cluster.close();
    }
  },

  async loadWorkload(directory: string, workload: Workload, rows: number | undefined): Promise<LoadedWorkload> {
    const cluster = await openCluster(directory);
    try {
      return await workloadInit(cluster, workload, rows === undefined ? {} : { rows });
    } finally {
      await cluster.close();
    }
  },

  async withStorage(directory, externalIODir, use) {
    const given = externalIODir === undefined ? {} : { externalIODir };
    if (directory === undefined) return use(given);
    const cluster = await openCluster(directory);
    try {
      return await use({ ...cluster.storage(), ...given });
    } finally {
      await cluster.close();
    }
  },

  openEngine(directory: string, settings: EngineSettings): Promise<Engine> {
    return openEngine(directory, settings);
  },
};
