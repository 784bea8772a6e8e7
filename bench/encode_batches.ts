import { type Batch, type NativeSstOptions, native, type SstFileFacts } from '#src/native/index.js';

export const PART_BYTES = 8 * 1024 * 1024;

/** Encodes batches as one file into a part that is overwritten again and again, as an upload would take it. */
export function encodeBatches(batches: readonly Batch[], options: NativeSstOptions, part: Uint8Array): SstFileFacts {
  const writer = native.newSstWriter(options);
  let at = 0;
  for (const { bytes, offsets, count } of batches) {
    for (let from = 0; ; ) {
      const step = writer.write(bytes, offsets, count, from, part, at);
      from = step.next;
      at = step.outPos;
      if (step.reason === 'input') break;
      at = 0;
    }
  }
  while (!writer.finish(part, at).done) at = 0;
  return writer.facts();
}
