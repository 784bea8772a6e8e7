import { describe, expect, it } from 'vitest';
import { checkConnectionUri, openStorage, resolveUri } from '#src/storage/index.js';

const settings = {
  connections: {
    east: 'memory://connections/a b',
    keys: 's3://bucket/p?AWS_ACCESS_KEY_ID=k&AWS_SECRET_ACCESS_KEY=a%2Bb',
    placed: 'memory://connections/placed?COCKROACH_LOCALITY=default',
    'my bucket': 'memory://connections/spaced',
    loop: 'external://east',
  },
};

describe('external connections', () => {
  it.each([
    ['external://east', 'memory://connections/a%20b'],
    ['external://east/', 'memory://connections/a%20b'],
    ['external://east/x/y z', 'memory://connections/a%20b/x/y%20z'],
    ['external://my%20bucket/x', 'memory://connections/spaced/x'],
    ['external://keys/x', 's3://bucket/p/x?AWS_ACCESS_KEY_ID=k&AWS_SECRET_ACCESS_KEY=a%2Bb'],
    ['external://east?COCKROACH_LOCALITY=default', 'memory://connections/a%20b?COCKROACH_LOCALITY=default'],
    [
      'external://keys/x?COCKROACH_LOCALITY=region%3Dus',
      's3://bucket/p/x?AWS_ACCESS_KEY_ID=k&AWS_SECRET_ACCESS_KEY=a%2Bb&COCKROACH_LOCALITY=region%3Dus',
    ],
    ['external://placed/x', 'memory://connections/placed/x?COCKROACH_LOCALITY=default'],
    ['external://placed?COCKROACH_LOCALITY=region%3Dus', 'memory://connections/placed?COCKROACH_LOCALITY=region%3Dus'],
    // What is not percent-encoded stays so, and is refused by whoever reads the locality.
    ['external://east?COCKROACH_LOCALITY=region=us', 'memory://connections/a%20b?COCKROACH_LOCALITY=region=us'],
    ['nodelocal://1/x', 'nodelocal://1/x'],
  ])('%s is %s', (uri, expected) => {
    expect(resolveUri(uri, settings)).toBe(expected);
  });

  it.each([
    ['external://west', 'SV_UNDEFINED', 'external connection with name west does not exist'],
    ['external://constructor', 'SV_UNDEFINED', 'external connection with name constructor does not exist'],
    [
      'external:///x',
      'SV_URI',
      'host component of an external URI must refer to an existing External Connection object: external:///x',
    ],
    ['external://east?AWS_REGION=x', 'SV_URI', 'unknown external query parameters: AWS_REGION'],
    ['external://east?cockroach_locality=default', 'SV_URI', 'unknown external query parameters: cockroach_locality'],
  ])('%s is refused', (uri, code, message) => {
    expect(() => resolveUri(uri, settings)).toThrow(expect.objectContaining({ code, message }));
  });

  it('open what they stand for, one step deep', async () => {
    const storage = openStorage({ uri: 'external://east/x', settings });
    expect(storage.display).toBe('memory://connections/a%20b/x');
    await storage.write('object', new Uint8Array(1));
    expect(await openStorage({ uri: 'memory://connections/a b/x', settings: {} }).size('object')).toBe(1);
    expect(() => openStorage({ uri: 'external://loop', settings })).toThrow(
      expect.objectContaining({ code: 'SV_URI', message: 'an external connection cannot stand for another one' }),
    );
  });

  it.each([
    [
      's3://b?partition_format=daily',
      'failed to construct External Connection details: failed to create s3 external connection: unknown S3 query parameters: partition_format',
    ],
    [
      'nodelocal://1/x?auth=implicit',
      'failed to construct External Connection details: failed to create nodelocal external connection: unknown nodelocal query parameters: auth',
    ],
    ['external://east', 'an external connection cannot stand for another one'],
    ['ftp://x', 'unsupported storage scheme: "ftp"'],
  ])('cannot stand for %s', (uri, message) => {
    expect(() => checkConnectionUri(uri)).toThrow(expect.objectContaining({ code: 'SV_URI', message }));
  });
});
