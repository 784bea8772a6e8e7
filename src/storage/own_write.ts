import { hasCode } from '../fault/index.js';

/** What a store says of an object that exists: its size, and which write made it. */
export interface HeldObject {
  readonly bytes: number;
  readonly writeId: unknown;
}

/**
 * Makes a write that is to be refused when the object exists, unless it does by an earlier try of the same write, whose answer was
 * lost.
 * @param own size and id of the write; without an id nothing tells the two apart
 * @param look asks the store for the object
 * @throws what `write` throws, SV_STORAGE_EXISTS for the object of another
 */
export async function unlessOurs(
  own: { readonly bytes: number; readonly writeId: string | undefined },
  write: () => Promise<void>,
  look: () => Promise<HeldObject>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!hasCode(error, 'SV_STORAGE_EXISTS') || !(await isOurs(own, look))) throw error;
  }
}

/** True when the object that `look` finds is what this write made. */
export async function isOurs(
  own: { readonly bytes: number; readonly writeId: string | undefined },
  look: () => Promise<HeldObject>,
): Promise<boolean> {
  if (own.writeId === undefined) return false;
  try {
    const held = await look();
    return held.writeId === own.writeId && held.bytes === own.bytes;
  } catch (error) {
    if (hasCode(error, 'SV_STORAGE_NOT_FOUND')) return false;
    throw error;
  }
}
