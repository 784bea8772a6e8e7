import { SpanvaultError } from '../fault/index.js';
import { parseUri, uriParameter } from '../storage/index.js';
import type { Step } from './steps.js';

/** Stores refuse signatures that are fifteen minutes off; a third of that is worth a word. */
const DRIFT_LIMIT_MS = 5 * 60_000;
const ANSWER_WITHIN_MS = 5000;

/** How far this machine's clock is from the store's, which every answer of a web server tells. */
export function clockStep(uri: string): Step {
  return {
    name: 'clock drift',
    neededFor: 'optional',
    async run() {
      const url = serverOf(uri);
      if (url === undefined) return 'no clock but that of this machine, or the store has no address of its own';
      const begin = Date.now();
      const date = await dateOf(url);
      const end = Date.now();
      if (date === undefined) throw new SpanvaultError('SV_STORAGE_UNAVAILABLE', `${url} does not tell its time`);
      // The header has whole seconds: half of one is lost on average.
      const drift = date + 500 - (begin + end) / 2;
      const text = `${(Math.abs(drift) / 1000).toFixed(1)} s ${drift < 0 ? 'ahead of' : 'behind'} ${url}, to a second`;
      if (Math.abs(drift) > DRIFT_LIMIT_MS) throw new SpanvaultError('SV_STORAGE_DENIED', `this clock is ${text}`);
      return text;
    },
  };
}

async function dateOf(url: string): Promise<number | undefined> {
  try {
    const answer = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const date = Date.parse(answer.headers.get('date') ?? '');
    return Number.isNaN(date) ? undefined : date;
  } catch (cause) {
    throw new SpanvaultError('SV_STORAGE_UNAVAILABLE', `${url} does not answer`, { cause });
  }
}

/** The server behind a location, without paths, parameters and who asks; undefined where there is none or it is not known. */
function serverOf(text: string): string | undefined {
  const uri = parseUri(text);
  switch (uri.scheme) {
    case 's3':
      return origin(
        uriParameter(uri, 'AWS_ENDPOINT') ??
          `https://s3.${uriParameter(uri, 'AWS_REGION') ?? 'us-east-1'}.amazonaws.com`,
      );
    case 'gs':
      return origin(process.env.STORAGE_EMULATOR_HOST ?? 'https://storage.googleapis.com');
    case 'azure-blob':
    case 'azure':
    case 'azure-storage': {
      const account = uriParameter(uri, 'AZURE_ACCOUNT_NAME') ?? '';
      const known = (uriParameter(uri, 'AZURE_ENVIRONMENT') ?? 'AZUREPUBLICCLOUD') === 'AZUREPUBLICCLOUD';
      return origin(
        process.env.AZURE_STORAGE_SERVICE_ENDPOINT ?? (known ? `https://${account}.blob.core.windows.net` : undefined),
      );
    }
    case 'http':
    case 'https':
      return origin(`${uri.scheme}://${uri.host}`);
    default:
      return undefined;
  }
}

function origin(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).origin : undefined;
}
