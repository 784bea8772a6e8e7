import type { Batch } from '../../native/contract.js';
import { native } from '../../native/index.js';
import type { RangeWriter } from '../contract.js';
import type { StoreAddress } from './scan_worker.js';

/** The worker half of the embedded sink: sorted batches go to the store as they are. */
export function openWriter(data: unknown): RangeWriter {
  const { directory, mapBytes } = data as StoreAddress;
  const store = native.openStore(directory, mapBytes);
  return {
    write(batch: Batch): void {
      native.storeIngest(store, batch.bytes, batch.offsets, batch.count);
    },
    flush(): void {
      // An ingest has committed when it returns; the sink syncs once for a whole stage.
    },
    close(): void {
      native.closeStore(store);
    },
  };
}
