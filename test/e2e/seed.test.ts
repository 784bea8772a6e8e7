import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { workloadInit } from '#src/cluster/index.js';
import { initCluster, openCluster, parseLocality } from '#src/index.js';
import { execute, openEngine, openSession, type Session } from '#src/statements/index.js';

/*
 * The document that this project implements, run verbatim: every SQL block of it in its order, with nodelocal:// in place
 * of the bucket URIs and a real subdirectory and job id in place of the sample ones.
 */

const SEED = resolve(import.meta.dirname, '../../../shared/reference/seed-locality-aware-backups.md');
const scratch = mkdtempSync(join(tmpdir(), 'spanvault-seed-'));
const buckets = join(scratch, 'buckets');
const open: Session[] = [];
afterAll(async () => {
  for (const session of open) await session.engine.close();
  rmSync(scratch, { recursive: true });
});

async function newSession(name: string): Promise<Session> {
  const directory = join(scratch, name);
  const regions = ['us-east', 'us-west', 'us-east1', 'us-west1', 'europe-west1'];
  await initCluster(directory, { nodes: regions.map((region) => parseLocality(`region=${region},az=az1`)) });
  if (name === 'source') {
    const cluster = await openCluster(directory);
    await workloadInit(cluster, 'movr', { rows: 200 });
    await cluster.close();
  }
  const session = openSession(await openEngine(directory, { externalIODir: buckets }));
  open.push(session);
  return session;
}

async function rows(session: Session, sql: string): Promise<(readonly (string | null)[])[]> {
  const result: (readonly (string | null)[])[] = [];
  for await (const row of (await execute(session, sql)).rows) result.push(row);
  return result;
}

/** The SQL blocks of the document; the leading terminal output of SHOW LOCALITY is not SQL. */
function statements(): string[] {
  const blocks = [...readFileSync(SEED, 'utf8').matchAll(/~~~ ?sql\n([\s\S]*?)~~~/g)].map((match) => match[1]!);
  return blocks
    .flatMap((block) => block.split(/;\s*\n|;\s*$/))
    .map((text) => text.trim())
    .filter(Boolean);
}

/** Bucket URIs become directories of node 1; everything else stays to the letter. */
function local(sql: string, subdir: string): string {
  return sql
    .replaceAll(/(?:s3|azure-blob):\/\/([a-z0-9-]+)/g, 'nodelocal://1/$1')
    .replaceAll(/nodelocal:\/\/1\/acme-co-backup\?[^']*/g, 'nodelocal://1/us-east-bucket')
    .replaceAll(
      "'2021/03/23-213101.37' IN\n\t'nodelocal://1/us-east-bucket'",
      `'${subdir}' IN ('nodelocal://1/us-east-bucket', 'nodelocal://1/us-west-bucket')`,
    )
    .replaceAll("'2021/03/23-213101.37'", `'${subdir}'`)
    .replaceAll(
      "IN\n\t'nodelocal://1/us-east-bucket'",
      "IN ('nodelocal://1/us-east-bucket', 'nodelocal://1/us-west-bucket')",
    );
}

describe.skipIf(!existsSync(SEED))('the seed document', () => {
  let source: Session;
  beforeAll(async () => {
    source = await newSession('source');
  });

  test('its statements run verbatim, and what is not supported yet says so', async () => {
    const outcomes: string[] = [];
    let restores = 0;
    for (const text of statements()) {
      const subdir = (await rows(source, "SHOW BACKUPS IN 'nodelocal://1/us-east-bucket'")).at(-1)?.[0] ?? '';
      const sql = local(text, subdir);
      const head = sql.split(/\s+/).slice(0, 3).join(' ');
      try {
        if (/^RESTORE FROM/.test(sql)) {
          const target = await newSession(`target-${restores++}`);
          await execute(target, sql);
          const print = 'SHOW EXPERIMENTAL_FINGERPRINTS FROM TABLE movr.rides';
          expect(await rows(target, print)).toEqual(await rows(source, print));
        } else {
          if (/^RESTORE TABLE/.test(sql)) await execute(source, 'CREATE DATABASE newdb');
          await execute(source, sql);
        }
        outcomes.push(`${head}: ok`);
      } catch (error) {
        outcomes.push(`${head}: ${(error as Error).message}`);
      }
    }
    expect(outcomes).toEqual([
      "BACKUP INTO ('nodelocal://1/us-east-bucket?COCKROACH_LOCALITY=default',: ok",
      'RESTORE FROM LATEST: ok',
      'SHOW LOCALITY: ok',
      'ALTER PARTITION europe_west: ok',
      'ALTER PARTITION us_east: ok',
      'ALTER PARTITION us_west: ok',
      "BACKUP INTO ('nodelocal://1/us-east-bucket?COCKROACH_LOCALITY=default',: ok",
      'RESTORE FROM LATEST: ok',
      'BACKUP INTO LATEST: BACKUP INTO LATEST IN (an incremental backup) is not supported yet',
      'BACKUP INTO {subdirectory}: BACKUP INTO a subdirectory IN (an incremental backup) is not supported yet',
      'BACKUP INTO LATEST: BACKUP INTO LATEST IN (an incremental backup) is not supported yet',
      'BACKUP INTO LATEST: BACKUP INTO LATEST IN (an incremental backup) is not supported yet',
      'RESTORE FROM LATEST: ok',
      'PAUSE JOB 27536791415282: PAUSE JOB is not supported yet',
      'RESTORE TABLE system.zones: ok',
      'INSERT INTO system.zones: ok',
      'DROP TABLE newdb.zones: ok',
      'RESUME JOB 27536791415282: RESUME JOB is not supported yet',
    ]);
  });
});
