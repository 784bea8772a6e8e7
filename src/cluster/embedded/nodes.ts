import { SpanvaultError } from '../../fault/index.js';
import { type Locality, parseLocality, printLocality } from '../../keys/index.js';
import type { NodeInfo } from '../contract.js';
import type { EmbeddedStore, MetaPut } from './store.js';

const NODE_PREFIX = 'node/';

/** 'live' nodes hold replicas and execute; a 'dead' one may come back; a 'decommissioned' one never does. */
export type NodeStatus = 'live' | 'dead' | 'decommissioned';

/** A node of the embedded cluster. */
export interface ClusterNode extends NodeInfo {
  readonly status: NodeStatus;
}

interface NodeRecord {
  readonly nodeId: number;
  readonly locality: string;
  readonly status: NodeStatus;
}

/** The nodes of a cluster, as records of the store. Ids count from 1 and are never reused. */
export class NodeRegistry {
  readonly #store: EmbeddedStore;

  constructor(store: EmbeddedStore) {
    this.#store = store;
  }

  /** Every node that ever joined, by id. */
  all(): ClusterNode[] {
    return this.#store
      .metaList<NodeRecord>(NODE_PREFIX)
      .map(({ value }) => ({ nodeId: value.nodeId, locality: parseLocality(value.locality), status: value.status }))
      .sort((a, b) => a.nodeId - b.nodeId);
  }

  live(): ClusterNode[] {
    return this.all().filter((node) => node.status === 'live');
  }

  /** @throws SpanvaultError SV_UNDEFINED */
  get(nodeId: number): ClusterNode {
    const node = this.all().find((candidate) => candidate.nodeId === nodeId);
    if (node === undefined) throw new SpanvaultError('SV_UNDEFINED', `node ${nodeId} does not exist`);
    return node;
  }

  /**
   * The record of a new node.
   * @throws SpanvaultError SV_LOCALITY when its tiers are not those of the other nodes in the same order (S03).
   */
  add(locality: Locality): { readonly node: ClusterNode; readonly meta: MetaPut } {
    const nodes = this.all();
    const other = nodes.find((node) => node.status !== 'decommissioned' && node.locality.length > 0);
    const tierKeys = locality.map((tier) => tier.key).join(',');
    if (other !== undefined && locality.length > 0 && other.locality.map((tier) => tier.key).join(',') !== tierKeys) {
      throw new SpanvaultError(
        'SV_LOCALITY',
        `locality ${JSON.stringify(printLocality(locality))} does not have the tiers of node ${other.nodeId}: ${JSON.stringify(printLocality(other.locality))}`,
        { hint: 'give every node the same locality keys in the same order' },
      );
    }
    const node: ClusterNode = { nodeId: (nodes.at(-1)?.nodeId ?? 0) + 1, locality, status: 'live' };
    return { node, meta: nodeRecord(node) };
  }

  /** The record of a node with another status. @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT for the last live node */
  withStatus(nodeId: number, status: NodeStatus): { readonly node: ClusterNode; readonly meta: MetaPut } {
    const before = this.get(nodeId);
    if (before.status === 'decommissioned' && status !== 'decommissioned') {
      throw new SpanvaultError('SV_CONSTRAINT', `node ${nodeId} is decommissioned and cannot come back`);
    }
    if (status !== 'live' && !this.live().some((node) => node.nodeId !== nodeId)) {
      throw new SpanvaultError('SV_CONSTRAINT', `node ${nodeId} is the last live node`);
    }
    const node = { ...before, status };
    return { node, meta: nodeRecord(node) };
  }
}

/** The metadata record of a node. */
export function nodeRecord(node: ClusterNode): MetaPut {
  const value: NodeRecord = { nodeId: node.nodeId, locality: printLocality(node.locality), status: node.status };
  return { key: `${NODE_PREFIX}${String(node.nodeId).padStart(8, '0')}`, value };
}
