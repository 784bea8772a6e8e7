import { SpanvaultError } from '../fault/index.js';
import {
  type Database,
  type Descriptor,
  decodeDescriptor,
  PUBLIC_SCHEMA_ID,
  type Schema,
  type Table,
  type UserFunction,
  type UserType,
} from './descriptor.js';
import { quoteName } from './names.js';

/** Id of the system database. */
export const SYSTEM_DATABASE_ID = 1;

/** A schema as names see it; `descriptor` is undefined for the public schema of databases before 22.2. */
export interface SchemaEntry {
  readonly id: number;
  readonly name: string;
  readonly descriptor: Schema | undefined;
}

/**
 * An immutable set of descriptors with their names. Dropped descriptors are left out of every look-up by name and kept
 * in look-ups by id.
 */
export class Catalog {
  /** Every descriptor, ascending ids. */
  readonly descriptors: readonly Descriptor[];
  readonly #byId: ReadonlyMap<number, Descriptor>;
  /** `parent/schema/name` to descriptor, for tables and types. */
  readonly #byName = new Map<string, Descriptor>();
  readonly #databases = new Map<string, Database>();
  readonly #schemas = new Map<number, Map<string, SchemaEntry>>();

  constructor(descriptors: Iterable<Descriptor>) {
    this.#byId = new Map([...descriptors].map((descriptor) => [descriptor.id, descriptor]));
    this.descriptors = [...this.#byId.values()].sort((a, b) => a.id - b.id);
    for (const descriptor of this.descriptors) {
      if (descriptor.state === 'drop') continue;
      if (descriptor.kind === 'database') this.#databases.set(descriptor.name, descriptor);
      else if (descriptor.kind === 'schema') this.#addSchema(descriptor);
      else this.#byName.set(nameKey(descriptor.parentId, descriptor.parentSchemaId, descriptor.name), descriptor);
    }
  }

  /** Decodes marshalled sqlbase.Descriptors. @throws SpanvaultError SV_CORRUPT_MANIFEST */
  static decode(descriptors: Iterable<Uint8Array>): Catalog {
    return new Catalog([...descriptors].map(decodeDescriptor));
  }

  #addSchema(descriptor: Schema): void {
    const entries = this.#schemas.get(descriptor.parentId) ?? new Map<string, SchemaEntry>();
    entries.set(descriptor.name, { id: descriptor.id, name: descriptor.name, descriptor });
    this.#schemas.set(descriptor.parentId, entries);
  }

  byId(id: number): Descriptor | undefined {
    return this.#byId.get(id);
  }

  tableById(id: number): Table | undefined {
    const found = this.#byId.get(id);
    return found?.kind === 'table' ? found : undefined;
  }

  typeById(id: number): UserType | undefined {
    const found = this.#byId.get(id);
    return found?.kind === 'type' ? found : undefined;
  }

  databaseById(id: number): Database | undefined {
    const found = this.#byId.get(id);
    return found?.kind === 'database' ? found : undefined;
  }

  schemaById(id: number): Schema | undefined {
    const found = this.#byId.get(id);
    return found?.kind === 'schema' ? found : undefined;
  }

  /** Databases that are not dropped, ascending ids. */
  databases(): Database[] {
    return this.descriptors.filter(
      (descriptor): descriptor is Database => descriptor.kind === 'database' && descriptor.state !== 'drop',
    );
  }

  /** Tables, views and sequences that are public, of one database or of all, ascending ids. */
  tables(databaseId?: number): Table[] {
    return this.descriptors.filter(
      (descriptor): descriptor is Table =>
        descriptor.kind === 'table' &&
        descriptor.state === 'public' &&
        (databaseId === undefined || descriptor.parentId === databaseId),
    );
  }

  database(name: string): Database | undefined {
    return this.#databases.get(name);
  }

  /** @throws SpanvaultError SV_UNDEFINED `database "x" does not exist` */
  requireDatabase(name: string): Database {
    const found = this.#databases.get(name);
    if (found === undefined)
      throw new SpanvaultError('SV_UNDEFINED', `database ${JSON.stringify(name)} does not exist`);
    return found;
  }

  /** Schemas of a database: public first, then the user-defined ones by name. */
  schemas(databaseId: number): SchemaEntry[] {
    const own = [...(this.#schemas.get(databaseId)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
    const publicEntry = own.find(({ name }) => name === 'public');
    const first = publicEntry ?? { id: PUBLIC_SCHEMA_ID, name: 'public', descriptor: undefined };
    return [first, ...own.filter((entry) => entry !== publicEntry)];
  }

  schema(databaseId: number, name: string): SchemaEntry | undefined {
    return this.schemas(databaseId).find((entry) => entry.name === name);
  }

  /** The table, view or sequence of that name, whatever its state unless dropped. */
  table(databaseId: number, schemaId: number, name: string): Table | undefined {
    const found = this.#byName.get(nameKey(databaseId, schemaId, name));
    return found?.kind === 'table' ? found : undefined;
  }

  /** What holds the name in a schema: a table, a type or a function. */
  object(databaseId: number, schemaId: number, name: string): Table | UserType | UserFunction | undefined {
    const found = this.#byName.get(nameKey(databaseId, schemaId, name));
    return found === undefined || found.kind === 'database' || found.kind === 'schema' ? undefined : found;
  }

  /** Name of the schema that holds a table, type or function. */
  schemaName(descriptor: Descriptor): string {
    return this.schemaById(descriptor.parentSchemaId)?.name ?? 'public';
  }

  /** Name of the database that holds an object; undefined when its database is not in the catalog. */
  databaseName(descriptor: Descriptor): string | undefined {
    return descriptor.kind === 'database' ? descriptor.name : this.databaseById(descriptor.parentId)?.name;
  }

  /** `db.schema.name` with SQL quoting; without the database when that is unknown. */
  qualifiedName(descriptor: Descriptor): string {
    if (descriptor.kind === 'database') return quoteName(descriptor.name);
    const parts = descriptor.kind === 'schema' ? [descriptor.name] : [this.schemaName(descriptor), descriptor.name];
    const database = this.databaseName(descriptor);
    return (database === undefined ? parts : [database, ...parts]).map(quoteName).join('.');
  }

  /** A catalog with some descriptors put in place of, or beside, those of the same ids. */
  with(descriptors: Iterable<Descriptor>): Catalog {
    return new Catalog([...this.descriptors, ...descriptors]);
  }

  /** A catalog without some ids. */
  without(ids: ReadonlySet<number>): Catalog {
    return new Catalog(this.descriptors.filter(({ id }) => !ids.has(id)));
  }
}

function nameKey(databaseId: number, schemaId: number, name: string): string {
  return `${databaseId}/${schemaId}/${name}`;
}
