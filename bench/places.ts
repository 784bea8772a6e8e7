import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';

/** Where a flow reads and writes: what a RAM disk takes is the engine's own, the rest is the disk's. */
export type PlaceName = 'disk' | 'RAM disk';

export interface Place {
  readonly name: PlaceName;
  readonly directory: string;
}

/** Linux's file system in memory. */
const RAM_DISK = '/dev/shm';

/** The scratch directory, and one in memory where there is room for `bytes`; it is removed when the process ends. */
export function placesFor(bytes: number, scratch: string): Place[] {
  const disk: Place = { name: 'disk', directory: scratch };
  if (!existsSync(RAM_DISK)) return [disk];
  const { bavail, bsize } = statfsSync(RAM_DISK);
  if (bavail * bsize < bytes) return [disk];
  const directory = mkdtempSync(join(RAM_DISK, 'spanvault-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return [disk, { name: 'RAM disk', directory }];
}
