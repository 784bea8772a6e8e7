import { SpanvaultError } from '../fault/index.js';
import type { BackupSource } from './statement.js';

/** The documentation's `{subdirectory}`, copied without filling it in. */
export function blankSubdirectory(name: string): SpanvaultError {
  return new SpanvaultError('SV_USAGE', `{${name}} stands for a subdirectory such as '2023/02/23-150925.62'`, {
    hint: "SHOW BACKUPS IN '…' lists the subdirectories of a collection",
  });
}

/**
 * Checks what RESTORE or SHOW BACKUP reads from.
 * @throws SpanvaultError SV_USAGE
 */
export function checkSource(source: BackupSource, incrementalUris: readonly string[] | undefined): void {
  if (source.from.kind === 'blank') throw blankSubdirectory(source.from.name);
  if (source.incrementals !== undefined && incrementalUris !== undefined) {
    throw new SpanvaultError(
      'SV_USAGE',
      'incremental_location cannot be given together with a list of incremental backups, which says where each of them is',
    );
  }
}
