import { compareBytes, compareSpans, hasPrefix, prefixEnd, type Span, subtractSpans } from '../keys/index.js';
import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import { partitionSpans } from './partitions.js';
import { dataIndexes, indexKeyPrefix, prefixSpan, tablePrefix, tableSpan } from './spans.js';
import {
  DEFAULT_ZONE,
  decodeZone,
  EMPTY_ZONE,
  encodeZone,
  inherit,
  isPlaceholder,
  type Subzone,
  type SubzoneSpan,
  type ZoneConfig,
} from './zone_config.js';

/** Ids of the rows of system.zones that are no descriptor ids. */
export const NAMED_ZONE_IDS: Readonly<Record<string, number>> = {
  default: 0,
  meta: 16,
  system: 17,
  timeseries: 18,
  liveness: 22,
  tenants: 45,
};

/** Id of RANGE default. */
export const DEFAULT_ZONE_ID = 0;

/** One row of system.zones. */
export interface ZoneRow {
  readonly id: number;
  readonly config: Uint8Array;
}

/** Keys of a table that one zone configuration governs, with the complete configuration. */
export interface ZoneSpan {
  readonly span: Span;
  readonly zone: ZoneConfig;
  /** The index and partition whose own configuration decided; undefined where the table's (or an inherited one) does. */
  readonly subzone: Subzone | undefined;
}

/** Zone configurations by the id of their row: immutable. Inheritance: default > database > table > index > partition. */
export class Zones {
  readonly #rows: ReadonlyMap<number, ZoneConfig>;

  constructor(rows: Iterable<readonly [number, ZoneConfig]>) {
    this.#rows = new Map(rows);
  }

  /** Decodes rows of system.zones. @throws SpanvaultError SV_CORRUPT_VALUE */
  static decode(rows: Iterable<ZoneRow>): Zones {
    return new Zones([...rows].map(({ id, config }) => [id, decodeZone(config)] as const));
  }

  /** Rows in the order of their ids. */
  entries(): (readonly [number, ZoneConfig])[] {
    return [...this.#rows].sort(([a], [b]) => a - b);
  }

  /** The row of an object, as it is; undefined when there is none. */
  row(id: number): ZoneConfig | undefined {
    return this.#rows.get(id);
  }

  /** The same with one row put or, with undefined, taken away. */
  with(id: number, zone: ZoneConfig | undefined): Zones {
    const rows = new Map(this.#rows);
    if (zone === undefined) rows.delete(id);
    else rows.set(id, zone);
    return new Zones(rows);
  }

  /** RANGE default, complete. */
  ofDefault(): ZoneConfig {
    const row = this.#rows.get(DEFAULT_ZONE_ID);
    return row === undefined ? DEFAULT_ZONE : inherit(row, DEFAULT_ZONE);
  }

  /** A named range outside of tables (`meta`, `liveness`…), complete. */
  ofRange(name: string): ZoneConfig {
    const row = this.#rows.get(NAMED_ZONE_IDS[name] ?? DEFAULT_ZONE_ID);
    return inherit(row ?? EMPTY_ZONE, this.ofDefault());
  }

  ofDatabase(id: number): ZoneConfig {
    return inherit(this.#rows.get(id) ?? EMPTY_ZONE, this.ofDefault());
  }

  ofTable(table: Table): ZoneConfig {
    const row = this.#rows.get(table.id);
    const parent = this.ofDatabase(table.parentId);
    if (row === undefined) return { ...parent, subzones: [], subzoneSpans: [] };
    if (isPlaceholder(row)) return { ...parent, subzones: row.subzones, subzoneSpans: row.subzoneSpans };
    return inherit(row, parent);
  }

  /** An index, or a partition of it when `partition` is not ''. A subpartition inherits from the index, not its parent. */
  ofSubzone(table: Table, indexId: number, partition: string): ZoneConfig {
    const parent = this.ofTable(table);
    const find = (name: string): Subzone | undefined =>
      parent.subzones.find((subzone) => subzone.indexId === indexId && subzone.partitionName === name);
    const index = find('');
    const ofIndex = index === undefined ? parent : inherit(index.config, parent);
    const own = partition === '' ? undefined : find(partition);
    const zone = own === undefined ? ofIndex : inherit(own.config, ofIndex);
    return { ...zone, subzones: [], subzoneSpans: [] };
  }

  /** The whole span of a table, cut where configurations change, in key order. */
  spansOfTable(catalog: Catalog, table: Table): ZoneSpan[] {
    const row = this.#rows.get(table.id);
    const whole = { ...this.ofTable(table), subzones: [], subzoneSpans: [] };
    const claims = row === undefined ? [] : subzoneClaims(catalog, table, row.subzones);
    const cuts: ZoneSpan[] = claims.map(({ span, subzone }) => ({
      span,
      zone: this.ofSubzone(table, subzone.indexId, subzone.partitionName),
      subzone,
    }));
    const rest = subtractSpans(
      [tableSpan(table.id)],
      claims.map(({ span }) => span),
    );
    cuts.push(...rest.map((span) => ({ span, zone: whole, subzone: undefined })));
    return cuts.sort((a, b) => compareSpans(a.span, b.span));
  }
}

interface Claim {
  readonly span: Span;
  readonly subzone: Subzone;
  readonly subzoneIndex: number;
}

/** Disjoint spans of the subzones that have a configuration; the most specific one wins: partitions before indexes. */
function subzoneClaims(catalog: Catalog, table: Table, subzones: readonly Subzone[]): Claim[] {
  const found: (Claim & { readonly depth: number })[] = [];
  for (const { index } of dataIndexes(table)) {
    const parts = partitionSpans(catalog, table, index);
    for (const [subzoneIndex, subzone] of subzones.entries()) {
      if (subzone.indexId !== index.id) continue;
      if (subzone.partitionName === '') {
        found.push({ span: prefixSpan(indexKeyPrefix(table.id, index)), subzone, subzoneIndex, depth: 0 });
      }
      for (const { name, spans, depth } of parts) {
        if (subzone.partitionName === '' || name !== subzone.partitionName) continue;
        found.push(...spans.map((span) => ({ span, subzone, subzoneIndex, depth })));
      }
    }
  }
  const disjoint = found.flatMap((claim) => {
    const deeper = found.filter(({ depth }) => depth > claim.depth).map(({ span }) => span);
    return subtractSpans([claim.span], deeper).map((span) => ({ ...claim, span }));
  });
  return disjoint.sort((a, b) => compareSpans(a.span, b.span));
}

/** The subzone_spans that belong to a table's subzones, sorted, without the table prefix. */
export function subzoneSpans(catalog: Catalog, table: Table, subzones: readonly Subzone[]): SubzoneSpan[] {
  const prefix = tablePrefix(table.id);
  const strip = (key: Uint8Array): Uint8Array => (hasPrefix(key, prefix) ? key.slice(prefix.length) : key);
  return subzoneClaims(catalog, table, subzones).map(({ span, subzoneIndex }) => {
    const key = strip(span.key);
    const isPrefix = compareBytes(span.endKey, prefixEnd(span.key)) === 0;
    return { key, endKey: isPrefix ? new Uint8Array(0) : strip(span.endKey), subzoneIndex };
  });
}

/** Rows of a new cluster: default, and five replicas for what the cluster itself needs. */
export function initialZoneRows(): ZoneRow[] {
  const important = { ...DEFAULT_ZONE, numReplicas: 5 };
  const rows: (readonly [number, ZoneConfig])[] = [
    [DEFAULT_ZONE_ID, DEFAULT_ZONE],
    [1, important],
    [16, { ...important, gcTtlSeconds: 3600 }],
    [17, important],
    [22, { ...important, gcTtlSeconds: 600 }],
  ];
  return rows.map(([id, zone]) => ({ id, config: encodeZone(zone) }));
}
