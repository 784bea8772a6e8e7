import { SpanvaultError } from '../fault/index.js';
import { EMPTY_TIMESTAMP, type Timestamp } from '../keys/index.js';
import { type Catalog, SYSTEM_DATABASE_ID } from './catalog.js';
import {
  type Database,
  type Descriptor,
  decodeDescriptor,
  PUBLIC_SCHEMA_ID,
  type Table,
  type UserType,
} from './descriptor.js';
import { addReferencesToType, addSchemaToDatabase } from './descriptor_edits.js';
import { checkOptions, checkTable, type RestoreOptions, refuse, restorableTables } from './restore_checks.js';
import { type RewriteOptions, rewriteDescriptors } from './rewrite.js';
import { dataIndexes, indexPrefix } from './spans.js';
import { type PrivilegeSpec, USER_PRIVILEGES } from './table_spec.js';
import { type CatalogTargets, closure, resolveTargets } from './targets.js';

/** Old and new key prefix of an index (crdb-format.md 7.7). */
export interface KeyRewrite {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** What a restore of databases or tables does to the catalog. */
export interface RestorePlan {
  /** Tables of the backup whose data is restored. */
  readonly tables: readonly Table[];
  /** Databases that are created. */
  readonly databases: readonly Database[];
  /** New id of every restored (or re-used) object, by its id in the backup. */
  readonly ids: ReadonlyMap<number, number>;
  /** Marshalled descriptors to write, and existing ones that change (a database with a new schema, a re-used type). */
  readonly descriptors: readonly Uint8Array[];
  readonly updated: readonly Uint8Array[];
  /** One pair per public or being-added index, in the order of old keys. */
  readonly keyRewrites: readonly KeyRewrite[];
  /** First id that is still free. */
  readonly nextId: number;
}

/** Logical and physical members in order: equal ones make two enums compatible. */
function members(type: UserType): string {
  return JSON.stringify([
    type.message.kind,
    type.message.enumMembers.map(({ logicalRepresentation: logical, physicalRepresentation: physical }) => [
      logical,
      Buffer.from(physical ?? []).toString('hex'),
    ]),
  ]);
}

interface Relation {
  readonly target: Database;
  readonly existing: Catalog;
}

class RestorePlanner {
  readonly #backup: Catalog;
  readonly #existing: Catalog;
  readonly #options: RestoreOptions;
  readonly #ids = new Map<number, number>();
  readonly #parents = new Map<number, { databaseId?: number; schemaId?: number }>();
  /** Ids of the backup that are mapped to objects which exist, and need no descriptor. */
  readonly #reused = new Set<number>();
  readonly #fresh: Descriptor[] = [];

  constructor(backup: Catalog, existing: Catalog, options: RestoreOptions) {
    this.#backup = backup;
    this.#existing = existing;
    this.#options = options;
  }

  /** The database that exists and takes an object; undefined when its own database is restored too. */
  #relation(descriptor: Descriptor, created: ReadonlySet<number>): Relation | undefined {
    if (this.#options.intoDb === undefined && created.has(descriptor.parentId)) return undefined;
    const own = this.#backup.databaseById(descriptor.parentId);
    const name = this.#options.intoDb ?? own?.name;
    if (name === undefined) {
      throw refuse(
        `no database with ID ${descriptor.parentId} in backup for object ${JSON.stringify(descriptor.name)} (${descriptor.id})`,
      );
    }
    const target = this.#existing.database(name);
    if (target === undefined) {
      const what = `${descriptor.kind} ${JSON.stringify(descriptor.name)}`;
      throw refuse(`a database named ${JSON.stringify(name)} needs to exist to restore ${what}`);
    }
    return { target, existing: this.#existing };
  }

  #createDatabase(database: Database): void {
    const name = this.#options.newDbName ?? database.name;
    if (this.#existing.database(name) !== undefined) {
      throw new SpanvaultError('SV_EXISTS', `database ${JSON.stringify(name)} already exists`);
    }
    this.#fresh.push(database);
  }

  #placeSchema(descriptor: Descriptor, created: ReadonlySet<number>): void {
    const relation = this.#relation(descriptor, created);
    if (relation === undefined) {
      this.#fresh.push(descriptor);
      return;
    }
    const same = relation.existing.schema(relation.target.id, descriptor.name);
    if (same === undefined) {
      this.#fresh.push(descriptor);
      this.#parents.set(descriptor.id, { databaseId: relation.target.id });
    } else {
      this.#ids.set(descriptor.id, same.id);
      this.#reused.add(descriptor.id);
    }
  }

  /** Schema of the target that takes objects of a schema of the backup; undefined while that schema is created. */
  #schemaId(descriptor: Descriptor, relation: Relation): number | undefined {
    const { parentSchemaId } = descriptor;
    if (parentSchemaId === PUBLIC_SCHEMA_ID || this.#backup.schemaById(parentSchemaId)?.name === 'public') {
      return relation.existing.schema(relation.target.id, 'public')?.id ?? PUBLIC_SCHEMA_ID;
    }
    return this.#ids.get(parentSchemaId);
  }

  #placeType(type: UserType, relation: Relation, schemaId: number | undefined): void {
    const same = schemaId === undefined ? undefined : relation.existing.object(relation.target.id, schemaId, type.name);
    if (same === undefined) {
      this.#fresh.push(type);
      this.#setParent(type, relation, schemaId);
      return;
    }
    if (same.kind !== 'type')
      throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(type.name)} already exists`);
    const known = JSON.stringify(same.name);
    if (type.message.kind !== 1 && members(type) !== members(same)) {
      throw new SpanvaultError('SV_EXISTS', `${known} is not compatible with type ${known} existing in cluster`);
    }
    this.#ids.set(type.id, same.id);
    this.#reused.add(type.id);
  }

  #setParent(descriptor: Descriptor, relation: Relation, schemaId: number | undefined): void {
    const databaseId = relation.target.id;
    this.#parents.set(descriptor.id, schemaId === undefined ? { databaseId } : { databaseId, schemaId });
  }

  #placeObject(descriptor: Table | UserType, created: ReadonlySet<number>): void {
    const relation = this.#relation(descriptor, created);
    if (relation === undefined) {
      this.#fresh.push(descriptor);
      return;
    }
    const schemaId = this.#schemaId(descriptor, relation);
    if (descriptor.kind === 'type') {
      this.#placeType(descriptor, relation, schemaId);
      return;
    }
    if (
      schemaId !== undefined &&
      relation.existing.object(relation.target.id, schemaId, descriptor.name) !== undefined
    ) {
      throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(descriptor.name)} already exists`);
    }
    this.#fresh.push(descriptor);
    this.#setParent(descriptor, relation, schemaId);
  }

  #checkCollisions(): void {
    const seen = new Set<string>();
    for (const descriptor of this.#fresh) {
      const parent = this.#parents.get(descriptor.id);
      const key = `${parent?.databaseId ?? `old ${descriptor.parentId}`}/${parent?.schemaId ?? `old ${descriptor.parentSchemaId}`}/${descriptor.name}`;
      if (descriptor.kind !== 'database' && seen.has(key)) {
        throw new SpanvaultError('SV_EXISTS', `relation ${JSON.stringify(descriptor.name)} already exists`);
      }
      seen.add(key);
    }
  }

  /** New ids keep the order of the old ones, so that rewritten keys keep theirs. */
  #allocate(nextId: number): number {
    const ordered = [...this.#fresh].sort((a, b) => a.id - b.id);
    for (const descriptor of ordered) this.#ids.set(descriptor.id, nextId++);
    return nextId;
  }

  #updatedExisting(): Uint8Array[] {
    const updated = new Map<number, Descriptor>();
    const current = (id: number): Descriptor | undefined => updated.get(id) ?? this.#existing.byId(id);
    for (const descriptor of this.#fresh) {
      const databaseId = this.#parents.get(descriptor.id)?.databaseId;
      if (descriptor.kind !== 'schema' || databaseId === undefined) continue;
      const database = current(databaseId);
      if (database === undefined) continue;
      updated.set(
        databaseId,
        decodeDescriptor(addSchemaToDatabase(database, descriptor.name, this.#ids.get(descriptor.id) ?? 0)),
      );
    }
    for (const id of this.#reused) {
      const type = this.#backup.typeById(id);
      const existingType = current(this.#ids.get(id) ?? 0);
      if (type === undefined || existingType === undefined) continue;
      const users = this.#fresh.filter(
        (one) => one.kind === 'table' && type.message.referencingDescriptorIds.includes(one.id),
      );
      const raw = addReferencesToType(
        existingType,
        users.map((one) => this.#ids.get(one.id) ?? 0),
      );
      if (raw !== existingType.raw) updated.set(existingType.id, decodeDescriptor(raw));
    }
    return [...updated.values()].map(({ raw }) => raw);
  }

  #rewriteOptions(created: readonly Database[], time: Timestamp, privileges: PrivilegeSpec): RewriteOptions {
    const { intoDb, newDbName } = this.#options;
    const override = intoDb ?? newDbName;
    const from = new Set(this.#backup.databases().map(({ name }) => name));
    return {
      ids: this.#ids,
      missing: 'drop',
      hasColumn: (tableId, columnId) =>
        this.#backup.tableById(tableId)?.message.columns.some(({ id }) => id === columnId) === true,
      parents: this.#parents,
      ...(newDbName === undefined ? {} : { databaseNames: new Map(created.map(({ id }) => [id, newDbName])) }),
      ...(override === undefined ? {} : { viewDatabases: { from, to: override } }),
      stamp: { version: 1, time },
      privileges,
    };
  }

  plan(targets: CatalogTargets, nextId: number, time: Timestamp, privileges: PrivilegeSpec): RestorePlan {
    checkOptions(targets, this.#options);
    const resolved = resolveTargets(this.#backup, targets);
    const tables = restorableTables(this.#backup, resolved.tables, this.#options);
    const restored = new Set(tables.map(({ id }) => id));
    for (const table of tables) checkTable(table, this.#backup, restored, this.#options);
    const created = new Set(resolved.completeDatabases.map(({ id }) => id));
    if (created.has(SYSTEM_DATABASE_ID)) {
      throw new SpanvaultError('SV_EXISTS', 'database "system" already exists');
    }
    for (const database of resolved.completeDatabases) this.#createDatabase(database);
    const needed = closure(this.#backup, tables, resolved.completeDatabases);
    for (const descriptor of needed) if (descriptor.kind === 'schema') this.#placeSchema(descriptor, created);
    for (const descriptor of needed) if (descriptor.kind === 'type') this.#placeObject(descriptor, created);
    for (const table of tables) this.#placeObject(table, created);
    this.#checkCollisions();
    const freeId = this.#allocate(nextId);
    const options = this.#rewriteOptions(resolved.completeDatabases, time, privileges);
    const ordered = [...this.#fresh].sort((a, b) => a.id - b.id);
    return {
      tables,
      databases: resolved.completeDatabases,
      ids: this.#ids,
      descriptors: rewriteDescriptors(ordered, options),
      updated: this.#updatedExisting(),
      keyRewrites: keyRewrites(tables, this.#ids),
      nextId: freeId,
    };
  }
}

/** Pairs of old and new key prefixes of every public or being-added index of tables. */
export function keyRewrites(tables: readonly Table[], ids: ReadonlyMap<number, number>): KeyRewrite[] {
  return [...tables]
    .sort((a, b) => a.id - b.id)
    .flatMap((table) => {
      const indexIds = dataIndexes(table).map(({ index }) => index.id ?? 0);
      return indexIds
        .sort((a, b) => a - b)
        .map((indexId) => ({
          from: indexPrefix(table.id, indexId),
          to: indexPrefix(ids.get(table.id) ?? table.id, indexId),
        }));
    });
}

/**
 * Plans RESTORE DATABASE and RESTORE TABLE: which objects of `backup` are created beside those of `existing`, with which
 * ids (from `nextId` on) and bytes. Pure; nothing is allocated when it throws.
 * @throws SpanvaultError SV_UNDEFINED, SV_EXISTS, SV_USAGE with CockroachDB's words
 */
export function planRestore(
  backup: Catalog,
  existing: Catalog,
  targets: Exclude<CatalogTargets, { readonly kind: 'cluster' }>,
  options: RestoreOptions,
  allocation: { readonly nextId: number; readonly time?: Timestamp; readonly privileges?: PrivilegeSpec },
): RestorePlan {
  const { nextId, time = EMPTY_TIMESTAMP, privileges = USER_PRIVILEGES } = allocation;
  return new RestorePlanner(backup, existing, options).plan(targets, nextId, time, privileges);
}
