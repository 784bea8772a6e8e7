import { type Catalog, isSequence, isView, type Table } from '#src/catalog/index.js';

/*
 * What CockroachDB 21.1 checks of a table's descriptor (catalog/tabledesc/validate.go; crdb-format.md section 15), as
 * sentences about what is wrong; an empty list for a descriptor that it accepts.
 */

function twice(values: readonly (number | string)[]): boolean {
  return new Set(values).size < values.length;
}

/** Flaws of one table. */
export function flawsOf(catalog: Catalog, table: Table): string[] {
  const { message } = table;
  const flaws: string[] = [];
  const claim = (holds: boolean, sentence: string): void => {
    if (!holds) flaws.push(`${table.name}: ${sentence}`);
  };
  const columns = new Map(message.columns.map((column) => [column.id ?? 0, column]));
  const nameOf = (id: number): string | undefined => columns.get(id)?.name ?? undefined;
  const indexes = [message.primaryIndex!, ...message.indexes];
  claim(message.formatVersion === 3, 'format version');
  claim(table.version >= 1 && table.modificationTime.wall > 0n, 'version and modification time');
  claim(catalog.databaseById(table.parentId) !== undefined, 'its database exists');
  claim(
    table.parentSchemaId === 29 || catalog.schemaById(table.parentSchemaId)?.parentId === table.parentId,
    'its schema is one of its database',
  );
  claim(message.privileges?.owner !== '' && message.privileges?.version === 1, 'privileges have owner and version');
  claim(!twice(message.columns.map(({ name }) => name ?? '')) && !twice([...columns.keys()]), 'columns differ');
  claim(
    [...columns.keys()].every((id) => id > 0 && id < message.nextColumnId),
    'next column id',
  );
  claim(!twice(indexes.map(({ name }) => name ?? '')), 'names of indexes differ');
  claim(!twice(indexes.map(({ id }) => id ?? 0)), 'ids of indexes differ');
  claim(
    indexes.every(({ id }) => (id ?? 0) > 0 && (id ?? 0) < message.nextIndexId),
    'next index id',
  );
  claim(message.primaryIndex?.unique === true, 'the primary index is unique');
  const primary = message.primaryIndex?.keyColumnIds ?? [];
  claim(
    primary.length > 0 && primary.every((id) => columns.get(id)?.nullable === false),
    'primary key columns are NOT NULL',
  );
  for (const index of indexes) {
    const of = `index ${index.name}`;
    const key = index.keyColumnIds ?? [];
    const suffix = index.keySuffixColumnIds ?? [];
    const stored = index.storeColumnIds ?? [];
    claim(key.length === (index.keyColumnDirections ?? []).length && key.length > 0, `${of}: directions`);
    claim(key.map(nameOf).join() === (index.keyColumnNames ?? []).join(), `${of}: key names`);
    claim(stored.map(nameOf).join() === (index.storeColumnNames ?? []).join(), `${of}: stored names`);
    claim(!twice(key) && !twice([...key, ...suffix]) && !twice([...key, ...suffix, ...stored]), `${of}: columns once`);
    const needed = index === message.primaryIndex ? [] : primary.filter((id) => !key.includes(id));
    claim([...suffix].sort().join() === [...needed].sort().join(), `${of}: suffix holds the rest of the primary key`);
    claim(
      (index.compositeColumnIds ?? []).every((id) => key.includes(id) || suffix.includes(id)),
      `${of}: composite columns are of its key`,
    );
  }
  const families = message.families;
  claim(families[0]?.id === 0, 'the first family has id 0');
  claim(!twice(families.map(({ name }) => name ?? '')) && !twice(families.map(({ id }) => id ?? 0)), 'families differ');
  claim(
    families.every(({ id }) => (id ?? 0) < message.nextFamilyId),
    'next family id',
  );
  const placed = families.flatMap(({ columnIds }) => columnIds ?? []);
  claim(!twice(placed) && [...columns.keys()].every((id) => placed.includes(id)), 'each column is in one family');
  for (const family of families) {
    claim(
      (family.columnIds ?? []).map(nameOf).join() === (family.columnNames ?? []).join(),
      `family ${family.name}: names`,
    );
    claim(
      !family.defaultColumnId || (family.columnIds ?? []).includes(family.defaultColumnId),
      `family ${family.name}: default column`,
    );
  }
  for (const key of message.outboundFks) {
    const other = catalog.tableById(key.referencedTableId ?? 0);
    claim(
      other?.message.inboundFks.some(({ originTableId, name }) => originTableId === table.id && name === key.name) ===
        true,
      `foreign key ${key.name} has its mirror image`,
    );
  }
  claim(message.mutations.length === 0, 'no mutations');
  return flaws;
}

/** Flaws of every user table of a catalog (views and sequences have rules of their own), and of the schemas of its databases. */
export function flawsOfCatalog(catalog: Catalog): string[] {
  const tables = catalog.tables().filter((table) => table.parentId !== 1 && !isView(table) && !isSequence(table));
  const lists = catalog.databases().flatMap((database) =>
    catalog.schemas(database.id).flatMap(({ name, descriptor }) => {
      if (descriptor === undefined || name === 'public') return [];
      return database.message.schemas[name]?.id === descriptor.id ? [] : [`${database.name}: schema ${name} is listed`];
    }),
  );
  return [...tables.flatMap((table) => flawsOf(catalog, table)), ...lists];
}
