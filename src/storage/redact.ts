/** Parameters whose values are secrets; CockroachDB redacts the same ones. */
const SECRET_PARAMETERS: ReadonlySet<string> = new Set([
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'CREDENTIALS',
  'AZURE_ACCOUNT_KEY',
  'AZURE_CLIENT_SECRET',
]);

/** Misspelt or foreign parameters that look like secrets are redacted too: a typing error must not leak a key. */
const SECRET_LOOKING = /secret|token|passw|passphrase|credential|signature|account_?key|^sig$/i;

/** True when the value of a parameter of this (decoded) name must not be shown. */
export function isSecretParameter(name: string): boolean {
  return SECRET_PARAMETERS.has(name.toUpperCase()) || SECRET_LOOKING.test(name);
}

/**
 * A URI for messages: values of secret parameters, and a password before the host, are replaced by `redacted`. Works on
 * the text, so that it is safe on URIs that do not parse.
 */
export function redactUri(text: string): string {
  const question = text.indexOf('?');
  const front = question < 0 ? text : text.slice(0, question);
  const shown = front.replace(/^([^/]*:\/\/[^/@:]*):[^/]*@/, '$1:redacted@');
  if (question < 0) return shown;
  const pairs = text.slice(question + 1).split('&');
  return `${shown}?${pairs.map(redactPair).join('&')}`;
}

function redactPair(pair: string): string {
  const equals = pair.indexOf('=');
  if (equals < 0) return pair;
  const name = pair.slice(0, equals);
  return isSecretParameter(decodeName(name)) ? `${name}=redacted` : pair;
}

/** Decodes a parameter's name; one that does not decode is compared as it stands. */
function decodeName(name: string): string {
  return name.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
