import type { Timestamp } from '../keys/index.js';
import { buildTable } from './builder.js';
import { SYSTEM_DATABASE_ID } from './catalog.js';
import { buildDatabase } from './database_builder.js';
import { CONFIG_TABLES, DATA_TABLES, READ_ONLY } from './system_table_specs.js';

/*
 * The system database of 21.1: the tables that this project fills, with their fixed ids.
 */

/** First id that user objects get (crdb-format.md 5.5). */
export const FIRST_USER_ID = 50;

/** Marshalled descriptors of the system database and its tables, ascending ids. */
export function systemDescriptors(time: Timestamp): Uint8Array[] {
  const tables = [...CONFIG_TABLES, ...DATA_TABLES].sort((a, b) => a.id - b.id);
  return [
    buildDatabase('system', SYSTEM_DATABASE_ID, time, { privileges: READ_ONLY }),
    ...tables.map((table) =>
      buildTable(table.spec, table.id, { databaseId: SYSTEM_DATABASE_ID, time, privileges: table.privileges }),
    ),
  ];
}
