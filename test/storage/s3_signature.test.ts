import { describe, expect, it } from 'vitest';
import { EMPTY_BODY, keyPath, queryText, signS3 } from '#src/storage/s3_signature.js';

/* The examples of AWS's own documentation: "Signature Calculations for the Authorization Header", single chunk. */

const SIGNER = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const SCOPE = { region: 'us-east-1', service: 's3' };
const DATE = new Date('2013-05-24T00:00:00Z');
const host = 'examplebucket.s3.amazonaws.com';

describe('signatures of S3 requests', () => {
  it.each([
    {
      name: 'a range',
      request: { method: 'GET', path: '/test.txt', query: {}, headers: { range: 'bytes=0-9' }, bodyHash: EMPTY_BODY },
      signed: 'host;range;x-amz-content-sha256;x-amz-date',
      signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    },
    {
      name: 'an object with a storage class',
      request: {
        method: 'PUT',
        path: `/${keyPath('test$file.text')}`,
        query: {},
        headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
        bodyHash: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      },
      signed: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    },
    {
      name: 'a query with an empty value',
      request: { method: 'GET', path: '/', query: { lifecycle: '' }, headers: {}, bodyHash: EMPTY_BODY },
      signed: 'host;x-amz-content-sha256;x-amz-date',
      signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    },
    {
      name: 'a query out of order',
      request: {
        method: 'GET',
        path: '/',
        query: { prefix: 'J', 'max-keys': '2' },
        headers: {},
        bodyHash: EMPTY_BODY,
      },
      signed: 'host;x-amz-content-sha256;x-amz-date',
      signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    },
  ])('$name', ({ request, signed, signature }) => {
    const { authorization } = signS3({ ...request, host }, SIGNER, SCOPE, DATE);
    expect(authorization).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=${signed}, Signature=${signature}`,
    );
  });

  it('signs for another region, day and signer with another key', () => {
    const request = { method: 'GET', host, path: '/a', query: {}, headers: {}, bodyHash: EMPTY_BODY };
    const of = (signer: typeof SIGNER, region: string, date: Date): string | undefined =>
      signS3(request, signer, { region, service: 's3' }, date).authorization?.slice(-64);
    const all = [
      of(SIGNER, 'us-east-1', DATE),
      of(SIGNER, 'eu-west-1', DATE),
      of(SIGNER, 'us-east-1', new Date('2013-05-25T00:00:00Z')),
      of({ ...SIGNER, secretAccessKey: 'other' }, 'us-east-1', DATE),
    ];
    expect(new Set(all).size).toBe(4);
    expect(of(SIGNER, 'us-east-1', DATE)).toBe(all[0]);
  });

  it('encodes what addresses reserve, and leaves slashes', () => {
    expect(keyPath("a b/ü+%(1)*!'~")).toBe('a%20b/%C3%BC%2B%25%281%29%2A%21%27~');
    expect(queryText({ uploadId: 'a/b=', partNumber: '2' })).toBe('partNumber=2&uploadId=a%2Fb%3D');
  });
});
