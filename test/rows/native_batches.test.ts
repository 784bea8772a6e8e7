import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allocateBatch, filledBatch, native } from '#src/native/index.js';
import { Fingerprint, RowDecoder } from '#src/rows/index.js';
import { FIXTURES, hasFixtures, readFixture } from './fixture_backup.js';

describe.skipIf(!hasFixtures)('rows out of the native merge (skipped where the fixtures folder is absent)', () => {
  it('v21.1-bank has its fingerprint, read in small batches', () => {
    const backup = readFixture('v21.1-bank');
    const table = backup.tables.find(({ name }) => name === 'bank')!;
    const none = new Uint8Array(0);
    const merge = native.newMerge({
      startKey: none,
      endKey: none,
      asOf: null,
      after: null,
      mode: 'latest',
      dropTombstones: true,
      rewrites: [],
      rewriteTimestamp: null,
      checksums: 'keep',
      verifyChecksums: true,
    });
    const files = readdirSync(backup.directory)
      .filter((name) => name.endsWith('.sst'))
      .map((name) => readFileSync(join(backup.directory, name)));
    files.forEach((bytes, i) => {
      merge.addFile({
        name: `file ${i}`,
        fileBytes: bytes.length,
        layer: 0,
        elidedPrefix: none,
        startKey: none,
        endKey: none,
        endInclusive: false,
      });
    });
    const decoder = new RowDecoder(table);
    const fingerprint = new Fingerprint(table);
    const memory = allocateBatch(16 * 1024, 64);
    for (;;) {
      const step = merge.next(memory.bytes, memory.offsets);
      if (step.kind === 'done') break;
      if (step.kind === 'grow') throw new Error(`a bank row needs ${step.bytes} bytes`);
      if (step.kind === 'need') {
        for (const { file, offset, length } of step.needs) {
          merge.feed(file, offset, files[file]!.subarray(offset, offset + length));
        }
        continue;
      }
      if (step.kind === 'failed') throw new Error('no file of this machine was added');
      for (const row of decoder.decode(filledBatch(memory, step.count))) fingerprint.add(row);
    }
    for (const row of decoder.finish()) fingerprint.add(row);
    expect(decoder.facts.rows).toBe(5000);
    const truth = readFileSync(join(FIXTURES, 'truth/v21.1-bank/bank.public.bank.fp'), 'utf8');
    expect(truth).toContain(`primary\t${fingerprint.value}`);
  });
});
