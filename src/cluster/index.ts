/**
 * cluster/: the contracts RangeSource and RangeSink, and in embedded/ the default store: a multi-region cluster on one
 * machine with MVCC, ranges, leaseholders, zone configurations, a catalog and rows.
 * Must not know the backup format: what a backup is made of is decided elsewhere.
 */
export type * from './contract.js';
export type { DropBehaviour } from './embedded/catalog_store.js';
export { EmbeddedCluster, printClusterId } from './embedded/cluster.js';
export type { GarbageReport } from './embedded/collect.js';
export type { ClusterNode, NodeStatus } from './embedded/nodes.js';
export { type InitOptions, initCluster, type OpenOptions, openCluster } from './embedded/open.js';
export type { RebalanceReport } from './embedded/placement.js';
export type { ProtectedTimestamp } from './embedded/protected.js';
export type { IndexFingerprint, SelectOptions, TableAccess } from './embedded/table_access.js';
export {
  type WorkloadFacts,
  type WorkloadName,
  type WorkloadOptions,
  workloadInit,
} from './embedded/workload/workload.js';
