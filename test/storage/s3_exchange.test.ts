import { describe, expect, it } from 'vitest';
import { keyPath } from '#src/storage/s3_exchange.js';

/* That stores take what is signed is shown by s3.test.ts and s3_wire.test.ts, whose servers check every signature. */

describe('the address of an object', () => {
  it('encodes what addresses reserve, and leaves slashes', () => {
    expect(keyPath("a b/ü+%(1)*!'~")).toBe('a%20b/%C3%BC%2B%25%281%29%2A%21%27~');
    expect(keyPath('/a//b/')).toBe('/a//b/');
  });

  it('is what the address of a URL stays', () => {
    for (const key of ["a b/ü+%(1)*!'~", '/a//b/', '%2F', 'x?y#z', '~', '日本/語']) {
      expect(new URL(`http://h/b/${keyPath(key)}`).pathname).toBe(`/b/${keyPath(key)}`);
    }
  });
});
