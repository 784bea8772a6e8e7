import type { ExternalStorage, WriteOptions } from './contract.js';

/** Writes a whole object through a storage's own `create`: what drivers without a request of their own for it do. */
export async function writeWhole(
  storage: Pick<ExternalStorage, 'create'>,
  name: string,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const writer = await storage.create(name, options);
  try {
    await writer.write(bytes);
    await writer.finish(bytes.length);
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
