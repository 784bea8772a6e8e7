import { describe, expect, it } from 'vitest';
import { openStorage, parseUri } from '#src/storage/index.js';
import { s3Access, s3ObjectPolicy } from '#src/storage/s3_location.js';

const KEYS = 'AWS_ACCESS_KEY_ID=id&AWS_SECRET_ACCESS_KEY=s%2Fe%2Bc';
const access = (query: string) => s3Access(parseUri(`s3://b/p?${query}`));
const policy = (query: string) => s3ObjectPolicy(parseUri(`s3://b/p?${query}`));

describe('parameters of s3://', () => {
  it('give keys, endpoint, region and addressing', () => {
    expect(
      access(
        `${KEYS}&AWS_SESSION_TOKEN=t&AWS_ENDPOINT=minio:9000&AWS_REGION=eu-west-1&AWS_USE_PATH_STYLE=true&AWS_SKIP_TLS_VERIFY=1`,
      ),
    ).toEqual({
      endpoint: 'https://minio:9000',
      region: 'eu-west-1',
      pathStyle: true,
      skipTlsVerify: true,
      keys: { id: 'id', secret: 's/e+c', token: 't' },
      roles: [],
      unsignedBodies: true,
    });
    expect(access('AUTH=implicit')).toEqual({
      endpoint: undefined,
      region: undefined,
      pathStyle: false,
      skipTlsVerify: false,
      keys: undefined,
      roles: [],
      unsignedBodies: true,
    });
  });

  it('leave bodies out of the signature where something else guards them', () => {
    const unsigned = (query: string, unsignedPayload = false) =>
      s3Access(parseUri(`s3://b/p?${KEYS}&${query}`), { unsignedPayload }).unsignedBodies;
    expect(unsigned('AWS_ENDPOINT=HTTPS%3A%2F%2Fminio')).toBe(true);
    expect(unsigned('AWS_ENDPOINT=http%3A%2F%2Fminio')).toBe(false);
    expect(unsigned('AWS_ENDPOINT=HTTP%3A%2F%2Fminio')).toBe(false);
    expect(unsigned('AWS_ENDPOINT=http%3A%2F%2Fminio', true)).toBe(true);
    // A store that knows no CRC-32C: only the signature finds damage on the way.
    expect(unsigned('AWS_SKIP_CHECKSUM=true')).toBe(false);
    expect(unsigned('AWS_SKIP_CHECKSUM=true&AWS_ENDPOINT=http%3A%2F%2Fminio', true)).toBe(false);
  });

  it('give chains of roles with external ids', () => {
    const chain = 'arn:aws:iam::1:role/a;external_id=x 1,arn:aws:iam::2:role/b';
    expect(access(`AUTH=implicit&ASSUME_ROLE=${encodeURIComponent(chain)}`).roles).toEqual([
      { arn: 'arn:aws:iam::1:role/a', externalId: 'x 1' },
      { arn: 'arn:aws:iam::2:role/b', externalId: undefined },
    ]);
    for (const bad of ['a;external_id=', 'a;other=1', 'a;external_id=1;external_id=2', ',a', ';external_id=1'])
      expect(() => access(`AUTH=implicit&ASSUME_ROLE=${encodeURIComponent(bad)}`)).toThrow('ASSUME_ROLE');
  });

  it('give storage class and encryption', () => {
    expect(
      policy('S3_STORAGE_CLASS=STANDARD_IA&AWS_SERVER_ENC_MODE=aws%3Akms&AWS_SERVER_KMS_ID=k&AWS_SKIP_CHECKSUM=true'),
    ).toEqual({
      storageClass: 'STANDARD_IA',
      encryption: { mode: 'aws:kms', kmsKeyId: 'k' },
      skipChecksum: true,
    });
    expect(() => policy('AWS_SERVER_ENC_MODE=aws%3Akms')).toThrow(
      'AWS_SERVER_KMS_ID param must be set when using aws:kms server side encryption mode.',
    );
    expect(() => policy('AWS_SERVER_ENC_MODE=rot13')).toThrow('unsupported server encryption mode rot13.');
  });

  it('are refused before anything is asked of the store, without their secrets', () => {
    const refused: readonly [string, string][] = [
      ['s3:///p?AUTH=implicit', 'empty host component; s3 URI must specify a target bucket'],
      ['s3://b/p', "AUTH is set to 'specified', but AWS_ACCESS_KEY_ID is not set"],
      ['s3://b/p?AWS_ACCESS_KEY_ID=i', "AUTH is set to 'specified', but AWS_SECRET_ACCESS_KEY is not set"],
      ['s3://b/p?AUTH=guess', 'unsupported value guess for AUTH'],
      [`s3://b/p?${KEYS}&AWS_USE_PATH_STYLE=maybe`, 'cannot parse AWS_USE_PATH_STYLE as bool: "maybe"'],
      [
        `s3://b/p?${KEYS}&AWS_ENDPOINT=${encodeURIComponent('https://user:topsecret@host')}`,
        'AWS_ENDPOINT is not the address',
      ],
      [`s3://b/p?${KEYS}&aws_region=x`, 'unknown S3 query parameters: aws_region'],
    ];
    for (const [uri, message] of refused) {
      let shown = '';
      try {
        openStorage({ uri, settings: {} });
      } catch (error) {
        shown = String(error) + JSON.stringify(error);
      }
      expect(shown).toContain(message);
      expect(shown).not.toMatch(/topsecret|s%2Fe%2Bc|s\/e\+c/);
    }
  });
});
