import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import { quoteName, quoteUnrestrictedName } from './names.js';
import { dataIndexes } from './spans.js';
import { isPlaceholder, type Subzone, type ZoneConfig } from './zone_config.js';
import { printConstraints, printLeasePreferences } from './zone_constraints.js';
import { NAMED_ZONE_IDS, type Zones } from './zones.js';

/** One row of SHOW ZONE CONFIGURATIONS. */
export interface ZoneText {
  readonly target: string;
  readonly rawConfigSql: string;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The ALTER statement of a configuration, as SHOW ZONE CONFIGURATIONS prints it. */
export function printZone(target: string, zone: ZoneConfig): string {
  const lines: string[] = [];
  if (zone.rangeMinBytes !== undefined) lines.push(`range_min_bytes = ${zone.rangeMinBytes}`);
  if (zone.rangeMaxBytes !== undefined) lines.push(`range_max_bytes = ${zone.rangeMaxBytes}`);
  if (zone.gcTtlSeconds !== undefined) lines.push(`gc.ttlseconds = ${zone.gcTtlSeconds}`);
  if (zone.globalReads !== undefined) lines.push(`global_reads = ${zone.globalReads}`);
  if (zone.numReplicas !== undefined) lines.push(`num_replicas = ${zone.numReplicas}`);
  if (zone.numVoters !== undefined) lines.push(`num_voters = ${zone.numVoters}`);
  if (zone.constraints !== undefined) lines.push(`constraints = ${quoteText(printConstraints(zone.constraints))}`);
  if (zone.voterConstraints !== undefined && (zone.numVoters ?? 0) > 0) {
    lines.push(`voter_constraints = ${quoteText(printConstraints(zone.voterConstraints))}`);
  }
  if (zone.leasePreferences !== undefined) {
    lines.push(`lease_preferences = ${quoteText(printLeasePreferences(zone.leasePreferences))}`);
  }
  return `ALTER ${target} CONFIGURE ZONE USING\n${lines.map((line) => `\t${line}`).join(',\n')}`;
}

/** Text of a subzone's target: `INDEX db.s.t@i`, `PARTITION p OF INDEX db.s.t@i`. */
export function subzoneTarget(catalog: Catalog, table: Table, subzone: Subzone): string {
  const index = dataIndexes(table).find((one) => one.index.id === subzone.indexId)?.index;
  const name = `INDEX ${catalog.qualifiedName(table)}@${quoteUnrestrictedName(index?.name ?? String(subzone.indexId))}`;
  return subzone.partitionName === '' ? name : `PARTITION ${quoteName(subzone.partitionName)} OF ${name}`;
}

/** Text of a row's target: `RANGE default`, `DATABASE movr`, `TABLE movr.public.rides`; undefined for an unknown id. */
export function zoneTargetText(catalog: Catalog, id: number): string | undefined {
  const named = Object.entries(NAMED_ZONE_IDS).find(([, namedId]) => namedId === id)?.[0];
  if (named !== undefined) return `RANGE ${named}`;
  const descriptor = catalog.byId(id);
  if (descriptor?.kind === 'database') return `DATABASE ${quoteName(descriptor.name)}`;
  return descriptor?.kind === 'table' ? `TABLE ${catalog.qualifiedName(descriptor)}` : undefined;
}

/** SHOW ZONE CONFIGURATIONS: every row whose object exists, then its subzones. */
export function showZones(catalog: Catalog, zones: Zones): ZoneText[] {
  return zones.entries().flatMap(([id, zone]) => {
    const target = zoneTargetText(catalog, id);
    if (target === undefined) return [];
    const own = isPlaceholder(zone) ? [] : [{ target, rawConfigSql: printZone(target, zone) }];
    const table = catalog.tableById(id);
    if (table === undefined) return own;
    const subzones = zone.subzones.map((subzone) => {
      const name = subzoneTarget(catalog, table, subzone);
      return { target: name, rawConfigSql: printZone(name, subzone.config) };
    });
    return [...own, ...subzones];
  });
}

/** ALTER statements of a table's index and partition configurations, sorted, as SHOW CREATE TABLE appends them. */
export function tableZoneStatements(catalog: Catalog, zones: Zones, table: Table): string[] {
  const subzones = zones.row(table.id)?.subzones ?? [];
  return subzones.map((subzone) => printZone(subzoneTarget(catalog, table, subzone), subzone.config)).sort();
}
