import { describe, expect, it } from 'vitest';
import { encodeUvarintAscending } from '#src/keys/index.js';
import { elidedPrefixOf } from '#src/restore/elision.js';

const table = encodeUvarintAscending(106);
const tenant = Buffer.concat([Buffer.of(0xfe), encodeUvarintAscending(10)]);
const rest = Buffer.from([0x89, 0x12, 0x61]);

describe('elidedPrefixOf', () => {
  it.each([
    ['none', Buffer.concat([tenant, table, rest]), Buffer.of()],
    ['tenant', Buffer.concat([tenant, table, rest]), tenant],
    ['tenant', Buffer.concat([table, rest]), Buffer.of()],
    ['tenantAndTable', Buffer.concat([tenant, table, rest]), Buffer.concat([tenant, table])],
    ['tenantAndTable', Buffer.concat([table, rest]), Buffer.from(table)],
    ['tenantAndTable', Buffer.from(table), Buffer.from(table)],
  ] as const)('%s of %o', (elidedPrefix, startKey, wanted) => {
    expect(Buffer.from(elidedPrefixOf({ elidedPrefix }, startKey))).toEqual(Buffer.from(wanted));
  });

  it.each([
    ['tenantAndTable', Buffer.of()],
    ['tenantAndTable', Buffer.from(tenant)],
    ['tenantAndTable', Buffer.of(0xf7, 0x01)],
    ['tenant', Buffer.of(0xfe)],
    ['tenant', Buffer.of(0xfe, 0xf8, 0x01)],
  ] as const)('%s of %o is refused: the span holds no such prefix', (elidedPrefix, startKey) => {
    expect(() => elidedPrefixOf({ elidedPrefix }, startKey)).toThrow(
      expect.objectContaining({ code: 'SV_CORRUPT_MANIFEST' }) as Error,
    );
  });
});
