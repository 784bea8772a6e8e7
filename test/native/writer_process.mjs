// Writes to the store in argv[3] for ever: ingests 50 rows, commits one and the number of steps, and reports it.
const [module, directory] = process.argv.slice(2);
const { native, packBatch } = await import(module);
const store = native.openStore(directory, 2 ** 30);
const engineKey = (text) => Buffer.concat([Buffer.from(text), Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 9])]);
const row = (text) => ({ key: engineKey(text), value: Buffer.alloc(100, 7) });
let count = Number(Buffer.from(native.storeMetaGet(store, 'count') ?? []).toString() || 0);
for (;;) {
  const step = String(count).padStart(8, '0');
  const batch = packBatch(Array.from({ length: 50 }, (_, n) => row(`i${step}${String(n).padStart(2, '0')}`)));
  native.storeIngest(store, batch.bytes, batch.offsets, batch.count);
  count++;
  native.storeCommit(store, packBatch([row(`c${step}`)]), [], [{ key: 'count', value: Buffer.from(String(count)) }]);
  process.send(count);
  await new Promise(setImmediate);
}
