import { SpanvaultError } from '../fault/index.js';
import { type Catalog, SYSTEM_DATABASE_ID } from './catalog.js';
import { referencedTypeIds } from './dependencies.js';
import type { Database, Descriptor, Table } from './descriptor.js';
import { type NamePattern, parseNamePattern } from './names.js';

/** Targets that name catalog objects; the spans of a store without a catalog are no business of this room. */
export type CatalogTargets =
  | { readonly kind: 'cluster' }
  | { readonly kind: 'databases'; readonly names: readonly string[] }
  | { readonly kind: 'tables'; readonly patterns: readonly string[]; readonly currentDatabase: string };

/** What targets resolve to. */
export interface ResolvedTargets {
  /** Public tables, views and sequences, ascending ids, each once. */
  readonly tables: readonly Table[];
  /** Databases named as a whole. */
  readonly completeDatabases: readonly Database[];
  /** The tables and everything they stand on: databases, schemas, types with their array types; ascending ids. */
  readonly descriptors: readonly Descriptor[];
}

/** System tables that a cluster backup of 21.1 holds, in the order of their ids. */
export const CLUSTER_BACKUP_SYSTEM_TABLES: readonly string[] = [
  'users',
  'zones',
  'settings',
  'ui',
  'jobs',
  'locations',
  'role_members',
  'comments',
  'role_options',
  'scheduled_jobs',
];

function notFound(pattern: NamePattern): SpanvaultError {
  return new SpanvaultError('SV_UNDEFINED', `table ${JSON.stringify(pattern.text)} does not exist`);
}

function expandAll(catalog: Catalog, pattern: NamePattern, currentDatabase: string): Table[] {
  const [first, second] = pattern.parts;
  if (first === undefined) return catalog.tables(catalog.requireDatabase(currentDatabase).id);
  const current = catalog.database(currentDatabase);
  const inSchema = (database: Database, schemaName: string): Table[] => {
    const schema = catalog.schema(database.id, schemaName);
    if (schema === undefined)
      throw new SpanvaultError('SV_UNDEFINED', `schema ${JSON.stringify(schemaName)} does not exist`);
    return catalog.tables(database.id).filter(({ parentSchemaId }) => parentSchemaId === schema.id);
  };
  if (second !== undefined) return inSchema(catalog.requireDatabase(first), second);
  if (current !== undefined && catalog.schema(current.id, first) !== undefined) return inSchema(current, first);
  return catalog.tables(catalog.requireDatabase(first).id);
}

/**
 * Finds one table by `t`, `schema.t`, `db.t` or `db.schema.t`, in that order of preference as CockroachDB does; a bare
 * name lies in the public schema of `currentDatabase`. Undefined when there is none.
 */
export function findTable(catalog: Catalog, parts: readonly string[], currentDatabase: string): Table | undefined {
  const lookup = (databaseName: string, schemaName: string, name: string): Table | undefined => {
    const database = catalog.database(databaseName);
    const schema = database && catalog.schema(database.id, schemaName);
    return schema && database && catalog.table(database.id, schema.id, name);
  };
  const [a, b, c] = parts;
  if (a === undefined) return undefined;
  if (b === undefined) return lookup(currentDatabase, 'public', a);
  if (c === undefined) return lookup(currentDatabase, a, b) ?? lookup(a, 'public', b);
  return lookup(a, b, c);
}

/** The tables that one pattern names. @throws SpanvaultError SV_UNDEFINED, SV_SYNTAX */
export function resolvePattern(catalog: Catalog, text: string, currentDatabase: string): Table[] {
  const pattern = parseNamePattern(text);
  if (pattern.all) return expandAll(catalog, pattern, currentDatabase);
  const found = findTable(catalog, pattern.parts, currentDatabase);
  if (found === undefined || found.state !== 'public') throw notFound(pattern);
  return [found];
}

/** Tables and all that must go with them: databases, schemas, types and their array types. */
export function closure(catalog: Catalog, tables: Iterable<Table>, databases: Iterable<Database> = []): Descriptor[] {
  const found = new Map<number, Descriptor>();
  const add = (id: number): void => {
    const descriptor = catalog.byId(id);
    if (descriptor === undefined || descriptor.state === 'drop' || found.has(id)) return;
    found.set(id, descriptor);
    add(descriptor.parentId);
    add(descriptor.parentSchemaId);
    if (descriptor.kind === 'table') for (const typeId of referencedTypeIds(descriptor)) add(typeId);
    if (descriptor.kind === 'type') add(descriptor.message.arrayTypeId);
  };
  for (const table of tables) add(table.id);
  for (const database of databases) {
    add(database.id);
    for (const { id, parentId, kind, state } of catalog.descriptors) {
      if (parentId === database.id && kind !== 'table' && state === 'public') add(id);
    }
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

/**
 * Resolves targets of BACKUP or RESTORE. Cluster: every public table of user databases and the system tables that
 * cluster backups hold. @throws SpanvaultError SV_UNDEFINED with CockroachDB's words
 */
export function resolveTargets(catalog: Catalog, targets: CatalogTargets): ResolvedTargets {
  const tables = new Map<number, Table>();
  const databases: Database[] = [];
  if (targets.kind === 'cluster') {
    const wanted = new Set(CLUSTER_BACKUP_SYSTEM_TABLES);
    databases.push(...catalog.databases());
    for (const table of catalog.tables()) {
      if (table.parentId !== SYSTEM_DATABASE_ID || wanted.has(table.name)) tables.set(table.id, table);
    }
  } else if (targets.kind === 'databases') {
    for (const name of targets.names) {
      const database = catalog.requireDatabase(name);
      if (!databases.includes(database)) databases.push(database);
      for (const table of catalog.tables(database.id)) tables.set(table.id, table);
    }
  } else {
    for (const pattern of targets.patterns) {
      for (const table of resolvePattern(catalog, pattern, targets.currentDatabase)) tables.set(table.id, table);
    }
  }
  const sorted = [...tables.values()].sort((a, b) => a.id - b.id);
  return { tables: sorted, completeDatabases: databases, descriptors: closure(catalog, sorted, databases) };
}
