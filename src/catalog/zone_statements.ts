import { SpanvaultError } from '../fault/index.js';
import type { Catalog } from './catalog.js';
import type { Table } from './descriptor.js';
import type { IndexDescriptor } from './generated/descriptors.js';
import { partitionNames } from './partitions.js';
import { dataIndexes } from './spans.js';
import { resolvePattern } from './targets.js';
import {
  DEFAULT_ZONE,
  EMPTY_ZONE,
  inherit,
  isPlaceholder,
  placeholderOf,
  type Subzone,
  type ZoneConfig,
} from './zone_config.js';
import type { PlacementNode } from './zone_constraints.js';
import { printZone, subzoneTarget, type ZoneText, zoneTargetText } from './zone_text.js';
import { validateAgainstNodes, validateNoRepeatedKeys, validateTandem, validateZone } from './zone_validation.js';
import { applySettings, type ZoneSetting } from './zone_variables.js';
import { DEFAULT_ZONE_ID, NAMED_ZONE_IDS, subzoneSpans, type Zones } from './zones.js';

/** What ALTER … CONFIGURE ZONE and SHOW ZONE CONFIGURATION name. Tables are patterns as in SQL. */
export type ZoneTarget =
  | { readonly kind: 'range'; readonly name: string }
  | { readonly kind: 'database'; readonly name: string }
  | { readonly kind: 'table'; readonly table: string }
  | { readonly kind: 'index'; readonly table: string; readonly index: string }
  /** `index` undefined: OF TABLE; '*': every index that has the partition. */
  | {
      readonly kind: 'partition';
      readonly partition: string;
      readonly table: string;
      readonly index: string | undefined;
    };

export type ZoneChange =
  | { readonly kind: 'set'; readonly settings: readonly ZoneSetting[] }
  | { readonly kind: 'default' }
  | { readonly kind: 'discard' };

/** A target found in the catalog. */
interface Place {
  readonly id: number;
  readonly table: Table | undefined;
  readonly index: IndexDescriptor.$Properties | undefined;
  readonly partition: string;
  readonly rangeName: string | undefined;
}

/** Tables of the system configuration, and the namespace table, take no zone of their own. */
const LAST_SYSTEM_CONFIG_ID = 10;
const NAMESPACE_ID = 30;

function undefinedObject(sentence: string, hint?: string): SpanvaultError {
  return new SpanvaultError('SV_UNDEFINED', sentence, hint === undefined ? {} : { hint });
}

function hasPartition(index: IndexDescriptor.$Properties, partition: string): boolean {
  return partitionNames(index.partitioning).includes(partition);
}

function resolveIndexes(table: Table, target: ZoneTarget): IndexDescriptor.$Properties[] {
  const indexes = dataIndexes(table).map(({ index }) => index);
  if (target.kind === 'table' || target.kind === 'range' || target.kind === 'database') return [];
  if (target.index !== undefined && target.index !== '*') {
    const found = indexes.find(({ name }) => name === target.index);
    if (found === undefined) throw undefinedObject(`index ${JSON.stringify(target.index)} does not exist`);
    if (target.kind === 'partition' && !hasPartition(found, target.partition)) {
      throw undefinedObject(
        `partition ${JSON.stringify(target.partition)} does not exist on index ${JSON.stringify(target.index)}`,
      );
    }
    return [found];
  }
  if (target.kind !== 'partition') return [];
  const name = JSON.stringify(target.partition);
  const having = indexes.filter((index) => hasPartition(index, target.partition));
  if (having.length === 0)
    throw undefinedObject(`partition ${name} does not exist on table ${JSON.stringify(table.name)}`);
  if (having.length > 1 && target.index === undefined) {
    throw undefinedObject(
      `partition ${name} exists on multiple indexes of table ${JSON.stringify(table.name)}`,
      'try ALTER PARTITION ... OF INDEX ...',
    );
  }
  return having;
}

function resolvePlaces(catalog: Catalog, target: ZoneTarget, currentDatabase: string): Place[] {
  const bare = { table: undefined, index: undefined, partition: '', rangeName: undefined };
  if (target.kind === 'range') {
    const id = NAMED_ZONE_IDS[target.name];
    if (id === undefined) throw undefinedObject(`${JSON.stringify(target.name)} is not a built-in zone`);
    return [{ ...bare, id, rangeName: target.name }];
  }
  if (target.kind === 'database') return [{ ...bare, id: catalog.requireDatabase(target.name).id }];
  const [table] = resolvePattern(catalog, target.table, currentDatabase);
  if (table === undefined) throw undefinedObject(`table ${JSON.stringify(target.table)} does not exist`);
  if (dataIndexes(table).length === 0) {
    throw new SpanvaultError('SV_CONSTRAINT', `cannot set a zone configuration on non-physical object ${table.name}`);
  }
  if (target.kind === 'table') return [{ ...bare, id: table.id, table }];
  const partition = target.kind === 'partition' ? target.partition : '';
  return resolveIndexes(table, target).map((index) => ({ ...bare, id: table.id, table, index, partition }));
}

/** The complete configuration that applies to a place. */
function completeZone(zones: Zones, place: Place): ZoneConfig {
  if (place.rangeName !== undefined)
    return place.id === DEFAULT_ZONE_ID ? zones.ofDefault() : zones.ofRange(place.rangeName);
  if (place.table === undefined) return zones.ofDatabase(place.id);
  if (place.index === undefined) return zones.ofTable(place.table);
  return zones.ofSubzone(place.table, place.index.id ?? 0, place.partition);
}

/** What a place inherits: its complete configuration as if it had none of its own. */
function parentZone(zones: Zones, place: Place): ZoneConfig {
  if (place.index === undefined) {
    const row = zones.row(place.id);
    return completeZone(zones.with(place.id, row === undefined ? undefined : placeholderOrNone(row)), place);
  }
  const row = zones.row(place.id);
  return row === undefined
    ? completeZone(zones, place)
    : completeZone(zones.with(place.id, withSubzone(row, place, undefined)), place);
}

function placeholderOrNone(row: ZoneConfig): ZoneConfig | undefined {
  return row.subzones.length === 0 ? undefined : placeholderOf(row);
}

function withSubzone(row: ZoneConfig, place: Place, config: ZoneConfig | undefined): ZoneConfig {
  const indexId = place.index?.id ?? 0;
  const same = (one: Subzone): boolean => one.indexId === indexId && one.partitionName === place.partition;
  if (config === undefined) return { ...row, subzones: row.subzones.filter((one) => !same(one)) };
  const subzone = { indexId, partitionName: place.partition, config };
  const known = row.subzones.some(same);
  return {
    ...row,
    subzones: known ? row.subzones.map((one) => (same(one) ? subzone : one)) : [...row.subzones, subzone],
  };
}

function ownZone(zones: Zones, place: Place): ZoneConfig {
  const row = zones.row(place.id);
  if (place.index === undefined)
    return row === undefined
      ? EMPTY_ZONE
      : isPlaceholder(row)
        ? { ...EMPTY_ZONE, subzones: row.subzones, subzoneSpans: row.subzoneSpans }
        : row;
  const indexId = place.index.id ?? 0;
  return (
    row?.subzones.find((one) => one.indexId === indexId && one.partitionName === place.partition)?.config ?? EMPTY_ZONE
  );
}

/** The row of a place after its own configuration became `own` (undefined = discarded); undefined = no row. */
function rowWith(zones: Zones, place: Place, own: ZoneConfig | undefined): ZoneConfig | undefined {
  const row = zones.row(place.id);
  if (place.index === undefined) return own ?? (row === undefined ? undefined : placeholderOrNone(row));
  const edited = withSubzone(row ?? placeholderOf(EMPTY_ZONE), place, own);
  return isPlaceholder(edited) && edited.subzones.length === 0 ? undefined : edited;
}

function refuseProtected(place: Place, change: ZoneChange): void {
  if (
    place.rangeName === undefined &&
    ((place.id > 1 && place.id <= LAST_SYSTEM_CONFIG_ID) || place.id === NAMESPACE_ID)
  ) {
    throw new SpanvaultError(
      'SV_CONSTRAINT',
      'cannot set zone configs for system config tables; try setting your config on the entire "system" database instead',
    );
  }
  if (place.rangeName !== undefined && place.id === DEFAULT_ZONE_ID && change.kind === 'discard') {
    throw new SpanvaultError('SV_CONSTRAINT', 'cannot remove default zone');
  }
}

function changePlace(
  catalog: Catalog,
  zones: Zones,
  place: Place,
  change: ZoneChange,
  nodes: readonly PlacementNode[],
): Zones {
  refuseProtected(place, change);
  let own: ZoneConfig | undefined;
  if (change.kind !== 'discard') {
    const parent = parentZone(zones, place);
    const current = ownZone(zones, place);
    const cleared = place.id === DEFAULT_ZONE_ID ? DEFAULT_ZONE : { ...EMPTY_ZONE, subzones: current.subzones };
    own = change.kind === 'default' ? cleared : applySettings(current, change.settings, parent);
    // A value that is set counts as it is, also a 0 that inheritance would take for absent.
    const inherited = { ...inherit(change.kind === 'default' ? own : current, parent), subzones: [] };
    const complete = change.kind === 'default' ? inherited : applySettings(inherited, change.settings, parent);
    validateNoRepeatedKeys(complete);
    validateAgainstNodes(complete, nodes);
    validateZone(complete);
    validateTandem(own);
  }
  const row = rowWith(zones, place, own);
  if (row === undefined || place.table === undefined) return zones.with(place.id, row);
  return zones.with(place.id, { ...row, subzoneSpans: subzoneSpans(catalog, place.table, row.subzones) });
}

/**
 * ALTER … CONFIGURE ZONE: the zones after the change, and the ids of the rows that changed. Nothing is changed when any
 * part of it is refused. @throws SpanvaultError SV_UNDEFINED, SV_CONSTRAINT, SV_USAGE with CockroachDB's words
 */
export function configureZone(
  catalog: Catalog,
  zones: Zones,
  target: ZoneTarget,
  change: ZoneChange,
  context: { readonly currentDatabase: string; readonly nodes: readonly PlacementNode[] },
): { readonly zones: Zones; readonly changedIds: readonly number[] } {
  const places = resolvePlaces(catalog, target, context.currentDatabase);
  const edited = places.reduce((state, place) => changePlace(catalog, state, place, change, context.nodes), zones);
  return { zones: edited, changedIds: [...new Set(places.map(({ id }) => id))] };
}

/** The nearest target whose own configuration applies to a place. */
function decidingTarget(catalog: Catalog, zones: Zones, place: Place): string {
  const has = (id: number): boolean => {
    const row = zones.row(id);
    return row !== undefined && !isPlaceholder(row);
  };
  const { table, index } = place;
  if (table !== undefined && index !== undefined) {
    const subzones = zones.row(table.id)?.subzones ?? [];
    for (const name of place.partition === '' ? [''] : [place.partition, '']) {
      const found = subzones.find((one) => one.indexId === index.id && one.partitionName === name);
      if (found !== undefined) return subzoneTarget(catalog, table, found);
    }
  }
  const chain = table === undefined ? [place.id] : [table.id, table.parentId];
  const deciding = chain.find(has) ?? DEFAULT_ZONE_ID;
  return zoneTargetText(catalog, deciding) ?? 'RANGE default';
}

/** SHOW ZONE CONFIGURATION FROM …: the configuration that applies, complete, under the name of the target it comes from. */
export function showZone(catalog: Catalog, zones: Zones, target: ZoneTarget, currentDatabase: string): ZoneText[] {
  return resolvePlaces(catalog, target, currentDatabase).map((place) => {
    const name = decidingTarget(catalog, zones, place);
    return { target: name, rawConfigSql: printZone(name, completeZone(zones, place)) };
  });
}
