import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  decodeManifest,
  decodePartitionDescriptor,
  encodeManifest,
  encodePartitionDescriptor,
} from '#src/manifest/index.js';
import { equalBytes } from '#src/keys/index.js';

const FIXTURES = new URL('../../../shared/fixtures/cockroach-backups/', import.meta.url).pathname;
const there = existsSync(FIXTURES);
if (!there) console.warn(`skipped: manifests of real CockroachDB backups, because ${FIXTURES} does not exist`);

const files = there
  ? readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' }).filter(
      (name) => /(^|\/)(BACKUP|BACKUP_MANIFEST|BACKUP_PART_[^/]*)$/.test(name) && !name.includes('encrypted'),
    )
  : [];

describe.skipIf(!there)('real manifests', () => {
  it.each(files)('%s decodes and encodes to the same bytes', (name) => {
    const stored = readFileSync(join(FIXTURES, name));
    const bytes = stored[0] === 0x1f ? gunzipSync(stored) : stored;
    if (name.includes('BACKUP_PART')) {
      const part = decodePartitionDescriptor(bytes, name);
      expect(equalBytes(encodePartitionDescriptor(part), bytes)).toBe(true);
      expect(
        equalBytes(encodePartitionDescriptor({ ...part, files: part.files.map((file) => ({ ...file })) }), bytes),
      ).toBe(true);
      return;
    }
    const manifest = decodeManifest(bytes, name);
    expect(equalBytes(encodeManifest(manifest), bytes)).toBe(true);
    // Replaced by equal values, every field goes through our own encoder but for each file's own message.
    const replaced = { ...manifest, files: manifest.files.map((file) => ({ ...file })), spans: [...manifest.spans] };
    expect(equalBytes(encodeManifest(replaced), bytes)).toBe(true);
  });
});
