import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FAULT_CODES, isSpanvaultError } from '#src/fault/index.js';
import { fromNative } from '#src/native/faults.js';
import { native, nativeSelfTest } from '#src/native/native_module.js';
import { codeOf } from './kv.js';

describe('native faults', () => {
  it('have codes of the table, and the Rust enum has no other', () => {
    const codes = nativeSelfTest.faultCodes();
    expect(codes.length).toBeGreaterThan(5);
    expect(codes.filter((code) => !Object.hasOwn(FAULT_CODES, code))).toEqual([]);
    const source = readFileSync(fileURLToPath(new URL('../../native/core/src/fault.rs', import.meta.url)), 'utf8');
    const written = [...source.matchAll(/=> "(SV_[A-Z_]+)"/g)].map((found) => found[1]);
    expect(written.sort()).toEqual([...codes].sort());
  });

  it('carry sentence, code, class and details', () => {
    const error = (() => {
      try {
        return native.storeSync(4_000_000);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(isSpanvaultError(error)).toBe(true);
    expect(error).toMatchObject({
      code: 'SV_USAGE',
      class: 'usage',
      message: 'store handle 4000000 is not open',
      details: { store: '4000000' },
    });
  });

  it('turn a panic into SV_INTERNAL, and the process lives on', () => {
    expect(codeOf(() => nativeSelfTest.panic())).toBe('SV_INTERNAL');
    expect(native.crc32Ieee(Buffer.from('123456789'))).toBe(0xcbf43926);
  });

  it('turn whatever else is thrown into SV_INTERNAL', () => {
    expect(fromNative('text').code).toBe('SV_INTERNAL');
    expect(fromNative(Object.assign(new Error('x'), { code: 'GenericFailure' })).message).toContain('x');
    expect(fromNative(Object.assign(new Error('x'), { code: 'SV_NO_SUCH' })).code).toBe('SV_INTERNAL');
  });
});

describe('kernels', () => {
  it('compute the check values of their polynomials', () => {
    const check = Buffer.from('123456789');
    expect(native.crc32c(check, 0)).toBe(0xe3069283);
    expect(native.crc32c(check.subarray(4), native.crc32c(check.subarray(0, 4), 0))).toBe(0xe3069283);
    expect(native.crc32c(new Uint8Array(), 0)).toBe(0);
    const [head, tail] = [check.subarray(0, 4), check.subarray(4)];
    expect(native.crc32cCombine(native.crc32c(head, 0), native.crc32c(tail, 0), tail.length)).toBe(0xe3069283);
  });

  it('give the compressed size of a ceiling', () => {
    const input = new Uint8Array(1 << 20).fill(1);
    const scratch = new Uint8Array(2 << 20);
    expect(native.codecCeiling(input, 'snappy', 0, 32768, scratch, true)).toBeLessThan(input.length / 10);
    expect(native.codecCeiling(input, 'none', 0, 32768, scratch, true)).toBeGreaterThanOrEqual(input.length);
    expect(codeOf(() => native.codecCeiling(input, 'none', 0, 32768, input, true))).toBe('SV_USAGE');
  });
});
