import type { ReadOptions, ReadResult } from './contract.js';
import type { HttpAnswer, HttpCall } from './http_exchange.js';
import { clipRange } from './names.js';
import { remoteFault } from './remote_faults.js';

/** What reads one object over HTTP: `get` answers 200, 206 or 416 and throws for any other status. */
export interface RangeReader {
  get(headers: Readonly<Record<string, string>>, keep: NonNullable<HttpCall['keep']>): Promise<HttpAnswer>;
  size(): Promise<number>;
}

/**
 * Reads a range in one request, in two only where the store does not tell the object's size. A server that ignores
 * ranges sends everything, of which only the range is kept.
 * @throws SpanvaultError what `reader` throws; SV_STORAGE_UNAVAILABLE for an answer that is not the range asked for
 */
export async function readRange(
  reader: RangeReader,
  what: string,
  options: ReadOptions,
): Promise<ReadResult & { readonly answer: HttpAnswer | undefined }> {
  const { offset = 0, length } = options;
  // Says what is wrong with the range itself.
  clipRange(0, offset, length);
  if (length === 0) return { bytes: new Uint8Array(0), totalBytes: await reader.size(), answer: undefined };
  const answer = await reader.get(rangeHeader(offset, length), (status, totalBytes) =>
    status === 200 && totalBytes !== undefined ? clipRange(totalBytes, offset, length) : undefined,
  );
  switch (answer.status) {
    case 200:
      return { bytes: cut(answer, offset, length), totalBytes: answer.bodyBytes, answer };
    case 416:
      return { bytes: new Uint8Array(0), totalBytes: await unsatisfied(answer, reader), answer };
    default: {
      const told = answer.headers['content-range'] ?? 'an unnamed range';
      const found = /^bytes (\d{1,15})-(?:-1|\d{1,15})\/(\d{1,15})$/.exec(told);
      const totalBytes = Number(found?.[2]);
      const asked = found === null ? undefined : clipRange(totalBytes, offset, offset < 0 ? undefined : length);
      if (asked === undefined || Number(found?.[1]) !== asked.start || answer.body.length !== asked.length) {
        const reason = `bytes at ${offset} were asked for and ${answer.body.length} as ${told} came`;
        throw remoteFault({ kind: 'transient', reason }, what);
      }
      return { bytes: offset < 0 ? answer.body.subarray(0, length) : answer.body, totalBytes, answer };
    }
  }
}

function rangeHeader(offset: number, length: number | undefined): Record<string, string> {
  if (offset < 0) return { range: `bytes=${offset}` };
  if (offset === 0 && length === undefined) return {};
  return { range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` };
}

/** The range of an answer that holds the whole object: kept already where its size was told, cut out here where not. */
function cut(answer: HttpAnswer, offset: number, length: number | undefined): Uint8Array {
  const wanted = clipRange(answer.bodyBytes, offset, length);
  if (answer.body.length === wanted.length) return answer.body;
  return answer.body.subarray(wanted.start, wanted.start + wanted.length);
}

/** Size of an object that has no byte in the range asked for. */
async function unsatisfied(answer: HttpAnswer, reader: RangeReader): Promise<number> {
  const found = /^bytes \*\/(\d{1,15})$/.exec(answer.headers['content-range'] ?? '');
  return found === null ? await reader.size() : Number(found[1]);
}
