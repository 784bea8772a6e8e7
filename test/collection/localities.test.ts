import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { joinLocalityUris, parseBackupUris, parseSourceUris } from '#src/collection/index.js';
import { isSpanvaultError } from '#src/fault/index.js';
import { runScript } from '../support/datadriven.js';

const SCRIPT = fileURLToPath(new URL('./testdata/localities.txt', import.meta.url));

function run(command: string, uris: readonly string[]): string {
  try {
    if (command === 'source')
      return parseSourceUris(uris, {})
        .map(({ uri, locality }) => `${locality ?? '(bare)'}: ${uri}`)
        .join('\n');
    const { defaultUri, byLocality } = parseBackupUris(uris, {});
    return [`default: ${defaultUri}`, ...[...byLocality].map(([locality, uri]) => `${locality}: ${uri}`)].join('\n');
  } catch (error) {
    if (!isSpanvaultError(error)) throw error;
    return [`${error.code}: ${error.message}`, ...(error.hint === undefined ? [] : [`HINT: ${error.hint}`])].join('\n');
  }
}

describe('localities', () => {
  it('parse as the script says', () => {
    expect(runScript(SCRIPT, ({ command, input }) => run(command, input))).toEqual([]);
  });

  it('keep their order and parameters below a directory', () => {
    const uris = parseBackupUris(
      ['memory://a?COCKROACH_LOCALITY=default', 'memory://b/c?COCKROACH_LOCALITY=region%3Dus'],
      {},
    );
    expect(joinLocalityUris(uris, '/2023/02/23-150925.62')).toEqual({
      defaultUri: 'memory://a/2023/02/23-150925.62',
      byLocality: new Map([['region=us', 'memory://b/c/2023/02/23-150925.62']]),
    });
  });
});
