import { isSpanvaultError, SpanvaultError } from '../fault/index.js';
import type { StorageSettings } from './contract.js';
import { checkScheme } from './schemes.js';
import { joinUri, LOCALITY_PARAMETER, parseUri, printUri, withoutLocality } from './uri.js';

/*
 * External connections: `external://<name>/<path>?COCKROACH_LOCALITY=…` stands for the URI that a name was given, with the path
 * below it (crdb-features.md 3.3). The name is replaced here and nowhere else, before anything is opened or sent to a thread.
 */

const EXTERNAL = 'external';

/**
 * A URI with external://name replaced by what the name stands for in `settings.connections`; others are returned as they are.
 * @throws SpanvaultError SV_UNDEFINED for an unknown name, SV_URI
 */
export function resolveUri(text: string, settings: StorageSettings): string {
  const uri = parseUri(text);
  if (uri.scheme !== EXTERNAL) return text;
  checkScheme(uri);
  if (uri.host === '') {
    throw new SpanvaultError(
      'SV_URI',
      `host component of an external URI must refer to an existing External Connection object: ${printUri(uri)}`,
    );
  }
  const { connections = {} } = settings;
  const target = Object.hasOwn(connections, uri.host) ? connections[uri.host] : undefined;
  if (target === undefined) throw noConnection(uri.host);
  const found = parseUri(joinUri(target, uri.path));
  refuseChain(found.scheme);
  const [locality] = uri.parameters;
  if (locality === undefined) return printUri(found);
  const { parameters } = withoutLocality(found);
  // Not printed anew: whether the value was encoded at all is judged by whoever reads the list.
  const front = printUri({ ...found, parameters });
  return `${front}${parameters.length === 0 ? '?' : '&'}${LOCALITY_PARAMETER}=${locality.raw}`;
}

function refuseChain(scheme: string): void {
  if (scheme === EXTERNAL) throw new SpanvaultError('SV_URI', 'an external connection cannot stand for another one');
}

/** The error of a name that nothing is known of. */
export function noConnection(name: string): SpanvaultError {
  return new SpanvaultError('SV_UNDEFINED', `external connection with name ${name} does not exist`, {
    details: { connection: name },
    hint: 'SHOW EXTERNAL CONNECTIONS lists the names; CREATE EXTERNAL CONNECTION makes one',
  });
}

/**
 * Checks by its text alone what a connection is to stand for; returns its canonical form.
 * @throws SpanvaultError in CockroachDB's words: SV_URI for an unknown scheme or parameter, SV_NOT_SUPPORTED
 */
export function checkConnectionUri(text: string): string {
  const uri = parseUri(text);
  refuseChain(uri.scheme);
  try {
    checkScheme(uri);
  } catch (error) {
    if (!isSpanvaultError(error) || !error.message.startsWith('unknown ')) throw error;
    throw new SpanvaultError(
      error.code,
      `failed to construct External Connection details: failed to create ${uri.scheme} external connection: ${error.message}`,
      { cause: error, details: error.details },
    );
  }
  return printUri(uri);
}
