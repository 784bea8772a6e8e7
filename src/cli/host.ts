import type { Engine, EngineOptions } from '../statements/index.js';
import type { StorageSettings } from '../storage/index.js';

/** Choices of one process that hold for all statements it runs. */
export type EngineSettings = Omit<EngineOptions, 'open'>;

/** A node as `cluster nodes` prints it. */
export interface ShownNode {
  readonly nodeId: number;
  /** `region=us-east,az=a`; empty without locality. */
  readonly locality: string;
  readonly status: string;
}

export const WORKLOADS = ['movr', 'bank', 'kv'] as const;
export type Workload = (typeof WORKLOADS)[number];

/** What a workload wrote. */
export interface LoadedWorkload {
  readonly database: string;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
}

/** What a garbage collection did, and what held it back. */
export interface ShownGarbage {
  readonly versions: number;
  readonly bytes: number;
  readonly bytesVisited: number;
  readonly protectedTimes: number;
}

/** A protected timestamp as `cluster protected` prints it. */
export interface ShownProtection {
  readonly id: string;
  readonly time: string;
  readonly what: string;
}

/** What commands need of a store, so that tests can give another one. Every method fails with a SpanvaultError. */
export interface Host {
  /** @throws SV_EXISTS when the directory holds a cluster already */
  initCluster(directory: string, localities: readonly string[]): Promise<readonly ShownNode[]>;
  /** Adds a node; the sentences say what moved. */
  addNode(
    directory: string,
    locality: string,
  ): Promise<{ readonly node: ShownNode; readonly notices: readonly string[] }>;
  nodes(directory: string): Promise<readonly ShownNode[]>;
  /** Collects all that is due. */
  collectGarbage(directory: string): Promise<ShownGarbage>;
  protectedTimestamps(directory: string): Promise<readonly ShownProtection[]>;
  /** @throws SV_UNDEFINED when there is none with that id */
  releaseTimestamp(directory: string, id: string): Promise<void>;
  loadWorkload(directory: string, workload: Workload, rows: number | undefined): Promise<LoadedWorkload>;
  /**
   * Calls `use` with what locations need: of a cluster, which stays open meanwhile, or without one of the process alone.
   */
  withStorage<T>(
    directory: string | undefined,
    externalIODir: string | undefined,
    use: (settings: StorageSettings) => Promise<T>,
  ): Promise<T>;
  openEngine(directory: string, settings: EngineSettings): Promise<Engine>;
}
