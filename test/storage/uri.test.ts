import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkScheme,
  joinUri,
  openStorage,
  parseUri,
  printUri,
  redactUri,
  splitLocality,
  uriParameter,
} from '#src/storage/index.js';

describe('storage URIs', () => {
  it.each([
    ['nodelocal://1/a/b/', 'nodelocal://1/a/b'],
    ['nodelocal://self', 'nodelocal://self'],
    ['nodelocal://self/', 'nodelocal://self'],
    ['NodeLocal://1//a/./b//', 'nodelocal://1/a/b'],
    ['nodelocal://1/my dir/50%25', 'nodelocal://1/my%20dir/50%25'],
    ['nodelocal://1/region=us-east,az:1@x+y', 'nodelocal://1/region=us-east,az:1@x+y'],
    ['nodelocal://1/%E6%97%A5', 'nodelocal://1/%E6%97%A5'],
    ['nodelocal://1/日', 'nodelocal://1/%E6%97%A5'],
    ['nodelocal://1/a%3Fb%23c', 'nodelocal://1/a%3Fb%23c'],
    ['s3://bucket/p?AWS_SECRET_ACCESS_KEY=a%2Bb%2Fc%3D', 's3://bucket/p?AWS_SECRET_ACCESS_KEY=a%2Bb%2Fc%3D'],
    ['http://h:8080/p?A=&B', 'http://h:8080/p?A=&B='],
  ])('%s prints as %s', (text, canonical) => {
    expect(printUri(parseUri(text))).toBe(canonical);
    expect(printUri(parseUri(canonical))).toBe(canonical);
  });

  it('decodes parameters exactly once, and a plus is a plus', () => {
    const uri = parseUri('s3://b/p?A=region%3Dus&B=region%253Dus&C=a+b&D=a%20b&E=x=y');
    expect(['A', 'B', 'C', 'D', 'E', 'F'].map((name) => uriParameter(uri, name))).toEqual([
      'region=us',
      'region%3Dus',
      'a+b',
      'a b',
      'x=y',
      undefined,
    ]);
  });

  it.each([
    ['bucket/path', 'is not of the form scheme://host/path?parameters'],
    ['', 'is not of the form'],
    ['nodelocal://1/%zz', 'has an invalid percent escape'],
    ['nodelocal://1/%ff', 'has an invalid percent escape'],
    ['nodelocal://1/a%00b', 'has a NUL character'],
    ['nodelocal://1/a/../b', 'has a ".." component in its path'],
    ['nodelocal://1/a/%2e%2e/b', 'has a ".." component in its path'],
    ['nodelocal://1/a/%2e%2e%2fb', 'has a ".." component in its path'],
    ['nodelocal://1/a#b', 'has a fragment'],
    ['s3://b/p?AUTH=a&AUTH=b', 'has the parameter AUTH twice'],
  ])('refuses %s', (text, problem) => {
    expect(() => parseUri(text)).toThrow(problem);
  });

  it('never shows a secret in an error', () => {
    const secrets =
      's3://b/%zz?AWS_SECRET_ACCESS_KEY=hunter2&aws_session_token=hunter2&CREDENTIALS=hunter2&AZURE_ACCOUNT_KEY=hunter2&password=hunter2';
    expect(() => parseUri(secrets)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as string }),
    );
    expect(redactUri('s3://b/p?AWS_ACCESS_KEY_ID=id&AWS_SECRET%5FACCESS_KEY=hunter2&AUTH=x')).toBe(
      's3://b/p?AWS_ACCESS_KEY_ID=id&AWS_SECRET%5FACCESS_KEY=redacted&AUTH=x',
    );
    expect(redactUri('http://user:hunter2@host/p')).toBe('http://user:redacted@host/p');
  });

  it('joins directories to the path and keeps the parameters', () => {
    expect(joinUri('s3://b?AUTH=implicit', '/2023/02/23-150925.62')).toBe('s3://b/2023/02/23-150925.62?AUTH=implicit');
    expect(joinUri('nodelocal://1/a b/', 'c d')).toBe('nodelocal://1/a%20b/c%20d');
    expect(joinUri('nodelocal://1/a/', '')).toBe('nodelocal://1/a');
    expect(() => joinUri('nodelocal://1/a', '../b')).toThrow('".."');
  });

  it('takes the locality off', () => {
    const { uri, locality } = splitLocality('nodelocal://1/p?COCKROACH_LOCALITY=region%3Dus-west');
    expect([uri, locality?.value, locality?.raw]).toEqual(['nodelocal://1/p', 'region=us-west', 'region%3Dus-west']);
    expect(openStorage({ uri: 'memory://b/p/?COCKROACH_LOCALITY=default', settings: {} }).display).toBe('memory://b/p');
  });

  it.each([
    ['nodelocal://1/p?b=1&a=2', 'unknown nodelocal query parameters: a, b'],
    ['nodelocal://1/p?cockroach_locality=default', 'unknown nodelocal query parameters: cockroach_locality'],
    ['s3://b/p?partition_format=daily', 'unknown S3 query parameters: partition_format'],
    ['s3://b/p?aws_access_key_id=x', 'unknown S3 query parameters: aws_access_key_id'],
    ['gs://b/p?X=1', 'unknown GS query parameters: X'],
    ['azure-blob://b/p?X=1', 'unknown azure query parameters: X'],
    ['ftp://h/p', 'unsupported storage scheme: "ftp"'],
    ['constructor://h/p', 'unsupported storage scheme: "constructor"'],
  ])('refuses %s when it is opened', (uri, message) => {
    expect(() => checkScheme(parseUri(uri))).toThrow(expect.objectContaining({ code: 'SV_URI', message }));
    expect(() => openStorage({ uri, settings: { externalIODir: '/nonexistent' } })).toThrow(message);
  });

  it.each([
    ['gs://b/p q?AUTH=implicit&COCKROACH_LOCALITY=default', 'gs://b/p%20q'],
    ['azure-blob://c/p?AUTH=implicit&AZURE_ACCOUNT_NAME=acc', 'azure-blob://c/p'],
    ['azure://c/p?AUTH=implicit&AZURE_ACCOUNT_NAME=acc', 'azure://c/p'],
    ['azure-storage://c/p?AUTH=implicit&AZURE_ACCOUNT_NAME=acc', 'azure-storage://c/p'],
    ['https://user:secret@h:8080/p?token=secret', 'https://h:8080/p'],
  ])('opens %s without a request', (uri, display) => {
    expect(openStorage({ uri, settings: {} }).display).toBe(display);
  });

  it('round-trips any host, path and parameters', () => {
    const component = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => !/[/\0]/.test(text) && !/\p{Cs}/u.test(text) && text !== '.' && text !== '..');
    fc.assert(
      fc.property(
        fc.array(component, { maxLength: 4 }),
        fc.uniqueArray(
          fc.tuple(
            component,
            fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0') && !/\p{Cs}/u.test(text)),
          ),
          {
            selector: ([name]) => name,
            maxLength: 3,
          },
        ),
        (components, parameters) => {
          const uri = {
            scheme: 's3',
            host: 'bucket',
            path: components.map((part) => `/${part}`).join(''),
            parameters: parameters.map(([name, value]) => ({ name, value, raw: encodeURIComponent(value) })),
          };
          expect(parseUri(printUri(uri))).toEqual(uri);
        },
      ),
      { verbose: true },
    );
  });
});
