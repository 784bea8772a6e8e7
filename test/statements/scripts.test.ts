import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { initCluster } from '#src/cluster/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { execute, openEngine, openSession, parseStatements, type Session } from '#src/statements/index.js';
import { runScriptAsync } from '../support/datadriven.js';

/* Scripts of statements on a real cluster; each case prints what a client sees, refusals included. */

const SCRIPTS = join(import.meta.dirname, 'scripts');
const root = mkdtempSync(join(tmpdir(), 'spanvault-scripts-'));
const sessions: Session[] = [];
afterAll(async () => {
  for (const { engine } of sessions) await engine.close();
  rmSync(root, { recursive: true, force: true });
});

async function openScript(name: string): Promise<Session> {
  const directory = join(root, name);
  await initCluster(directory, { nodes: [[]], mapBytes: 2 ** 30 });
  const session = openSession(await openEngine(directory, { open: { mapBytes: 2 ** 30 } }));
  sessions.push(session);
  return session;
}

/** Rows, else the tag; then notices. Empty lines of texts get a dot, for they end a case. */
async function shown(session: Session, text: string): Promise<string> {
  const lines: string[] = [];
  for (const { statement } of parseStatements(text)) {
    try {
      const { columns, rows, tag, notices } = await execute(session, statement);
      if (columns.length === 0) lines.push(tag);
      for await (const row of rows) lines.push(row.map((cell) => cell ?? 'NULL').join(' | '));
      lines.push(...notices.map((notice) => `NOTICE: ${notice}`));
    } catch (error) {
      if (!isSpanvaultError(error)) throw error;
      lines.push(`${error.code} ${error.message}${error.hint === undefined ? '' : `\nhint: ${error.hint}`}`);
    }
  }
  return lines.join('\n').replaceAll('\t', '  ');
}

test.each(readdirSync(SCRIPTS))('%s', async (name) => {
  const session = await openScript(name);
  const wrong = await runScriptAsync(join(SCRIPTS, name), ({ input }) => shown(session, input.join('\n')));
  expect(wrong).toEqual([]);
});
