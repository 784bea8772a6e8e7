import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { datumText, Fingerprint, fingerprintIndexes } from '#src/rows/index.js';
import { parseCsv } from './csv.js';
import { FIXTURES, hasFixtures, readFixture, rowsOf } from './fixture_backup.js';

/** The client that wrote the truth escapes NUL in text; the cast itself does not. */
const printed = (text: string): string => text.replaceAll('\0', '\\x00');

const BACKUPS = ['v21.1-types', 'v21.1-bank', 'v21.1-cluster'];

describe.skipIf(!hasFixtures)('rows of real backups (skipped where the fixtures folder is absent)', () => {
  for (const name of BACKUPS) {
    const backup = hasFixtures ? readFixture(name) : undefined;
    for (const table of backup?.tables ?? []) {
      const database = backup!.databases.get(table.parentId) ?? 'system';
      const schema = backup!.schemas.get(table.schemaId) ?? 'public';
      const base = join(
        FIXTURES,
        'truth',
        name,
        database === 'system' ? `system.${table.name}` : `${database}.${schema}.${table.name}`,
      );
      if (existsSync(`${base}.csv`)) {
        it(`${name}: ${database}.${schema}.${table.name} prints as CockroachDB printed it`, () => {
          const rows = rowsOf(backup!, table, table.primaryIndex);
          const [header, ...truth] = parseCsv(readFileSync(`${base}.csv`, 'utf8'));
          expect(table.columns.map((column) => column.name)).toEqual(header);
          expect(rows.map((row) => row.map((datum, i) => printed(datumText(datum, table.columns[i]!.type))))).toEqual(
            truth,
          );
        });
      }
      if (existsSync(`${base}.fp`)) {
        it(`${name}: ${database}.${schema}.${table.name} has CockroachDB's fingerprints`, () => {
          const truth = readFileSync(`${base}.fp`, 'utf8')
            .trim()
            .split('\n')
            .slice(1)
            .map((line) => line.split('\t'));
          const ours = fingerprintIndexes(table).map((index) => {
            const fingerprint = new Fingerprint(table, index);
            for (const row of rowsOf(backup!, table, index)) fingerprint.add(row);
            return [index.name, fingerprint.value ?? 'NULL'];
          });
          expect(ours).toEqual(truth);
        });
      }
    }
  }
});
