import type { Engine, EngineOptions } from '../statements/index.js';

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
  loadWorkload(directory: string, workload: Workload, rows: number | undefined): Promise<LoadedWorkload>;
  openEngine(directory: string, settings: EngineSettings): Promise<Engine>;
}
