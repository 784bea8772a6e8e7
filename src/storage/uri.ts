import { SpanvaultError } from '../fault/index.js';
import { redactUri } from './redact.js';

/** One query parameter: `value` is decoded exactly once, `raw` is what the URI holds. */
export interface UriParameter {
  readonly name: string;
  readonly value: string;
  readonly raw: string;
}

/** The parts of a storage URI, percent-decoded exactly once (RFC 3986: `+` is a plus). */
export interface StorageUri {
  /** Lower case, without the colon. */
  readonly scheme: string;
  /** Bucket, container, node id, connection name; may be empty. */
  readonly host: string;
  /** Begins with `/` and does not end with one; empty for the root. Never with `.`, `..` or empty components. */
  readonly path: string;
  readonly parameters: readonly UriParameter[];
}

/** The parameter that marks the locality of a URI in a list; it is never handed to a driver. */
export const LOCALITY_PARAMETER = 'COCKROACH_LOCALITY';

const URI = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$/s;

/**
 * Parses a storage URI. Raw spaces and non-ASCII characters are taken as they are; trailing, doubled and `.` path
 * components are dropped.
 * @throws SpanvaultError SV_URI for a text that is no URI, a bad percent escape, NUL, `..`, a fragment or a parameter given twice
 */
export function parseUri(text: string): StorageUri {
  const match = URI.exec(text);
  if (match === null) throw uriFault(text, 'is not of the form scheme://host/path?parameters');
  const [, scheme = '', host = '', path = '', query = '', fragment] = match;
  if (fragment !== undefined) throw uriFault(text, 'has a fragment; write # as %23');
  return {
    scheme: scheme.toLowerCase(),
    host: decodeOnce(host, text),
    path: normalisePath(decodeOnce(path, text), text),
    parameters: parseParameters(query, text),
  };
}

/** The canonical text of a URI: parses back to the same parts. Holds secrets where the parameters do. */
export function printUri(uri: StorageUri): string {
  const host = encodeURIComponent(uri.host).replace(/%(3A|40)/g, decodeURIComponent);
  const path = uri.path.split('/').map(encodeSegment).join('/');
  const query = uri.parameters
    .map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  return `${uri.scheme}://${host}${path}${query === '' ? '' : `?${query}`}`;
}

/**
 * Appends a decoded, `/`-separated directory to a URI's path; the parameters stay. An empty directory gives the
 * canonical form of the URI itself.
 * @throws SpanvaultError SV_URI
 */
export function joinUri(text: string, directory: string): string {
  const uri = parseUri(text);
  return printUri({ ...uri, path: normalisePath(`${uri.path}/${directory}`, text) });
}

/** Value of a parameter, decoded; undefined when absent. */
export function uriParameter(uri: StorageUri, name: string): string | undefined {
  return uri.parameters.find((parameter) => parameter.name === name)?.value;
}

/** Splits COCKROACH_LOCALITY off a URI: the canonical URI without it, and the parameter, undefined when absent. */
export function splitLocality(text: string): { readonly uri: string; readonly locality: UriParameter | undefined } {
  const uri = parseUri(text);
  const locality = uri.parameters.find((parameter) => parameter.name === LOCALITY_PARAMETER);
  return { uri: printUri(withoutLocality(uri)), locality };
}

/** The same URI without COCKROACH_LOCALITY. */
export function withoutLocality(uri: StorageUri): StorageUri {
  return { ...uri, parameters: uri.parameters.filter((parameter) => parameter.name !== LOCALITY_PARAMETER) };
}

function parseParameters(query: string, text: string): UriParameter[] {
  const parameters: UriParameter[] = [];
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const raw = equals < 0 ? '' : pair.slice(equals + 1);
    const name = decodeOnce(equals < 0 ? pair : pair.slice(0, equals), text);
    if (parameters.some((earlier) => earlier.name === name)) throw uriFault(text, `has the parameter ${name} twice`);
    parameters.push({ name, value: decodeOnce(raw, text), raw });
  }
  return parameters;
}

function normalisePath(path: string, text: string): string {
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) throw uriFault(text, 'has a ".." component in its path');
  return components.map((component) => `/${component}`).join('');
}

function decodeOnce(text: string, uri: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch (cause) {
    throw uriFault(uri, 'has an invalid percent escape', cause);
  }
  if (decoded.includes('\0')) throw uriFault(uri, 'has a NUL character');
  return decoded;
}

/** Leaves what RFC 3986 allows in a path segment, so that ordinary names such as `region=us-east` stay readable. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
}

function uriFault(text: string, problem: string, cause?: unknown): SpanvaultError {
  return new SpanvaultError('SV_URI', `storage URI ${JSON.stringify(redactUri(text))} ${problem}`, { cause });
}
