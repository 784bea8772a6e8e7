import { openCluster } from '#src/cluster/index.js';
import { encodeEngineKey } from '#src/keys/index.js';

// Started by reopen.test.ts, which kills it with SIGKILL at a moment of its own choice.

const [mode, directory] = process.argv.slice(2);
const cluster = await openCluster(directory, { mapBytes: 2 ** 32 });

if (mode === 'insert') {
  const table = cluster.table('bank.bank');
  for (let id = 0; ; id++) {
    cluster.rows.insert(table, [[BigInt(id), 0n, `row ${id}`]]);
    process.stdout.write(`${id}\n`);
    await new Promise(setImmediate);
  }
}

if (mode === 'restore') {
  const scope = await cluster.source().resolve({ kind: 'databases', names: ['bank'] }, cluster.now());
  const sink = cluster.sink();
  const ticket = await sink.begin({
    coverage: 'requested',
    targets: { kind: 'databases', names: ['bank'] },
    descriptors: scope.descriptors,
    endTime: cluster.now(),
    options: { newDbName: 'copy' },
  });
  const { openWriter } = await import(sink.writer.module);
  const writer = openWriter(sink.writer.data);
  const key = encodeEngineKey(Buffer.concat([ticket.rewrites[0].to, Buffer.of(0x89, 0x88)]), ticket.writeTime);
  const value = Uint8Array.of(0, 0, 0, 0, 10);
  writer.write({
    bytes: Buffer.concat([key, value]),
    offsets: Uint32Array.of(0, key.length, key.length + value.length),
    count: 1,
  });
  writer.flush();
  process.stdout.write(`${Buffer.from(ticket.rewrites[0].to).toString('hex')}\n`);
  setInterval(() => undefined, 1000);
}

if (mode === 'index' || mode === 'column') {
  const table = cluster.table('bank.bank');
  const rows = Array.from({ length: 40_000 }, (_, id) => [BigInt(id), BigInt(id), `row ${id}`]);
  cluster.rows.insert(table, rows);
  // The parent kills this process at the second report, while the index is being filled.
  const onRows = () => process.stdout.write('filling\n');
  if (mode === 'index') {
    await cluster.schema.createIndex(table, () => ({ name: 'i', columns: ['balance'], createdExplicitly: true }), {
      onRows,
    });
  } else {
    const spec = { name: 'note', type: 'STRING', default: "'x':::STRING", nullable: false };
    await cluster.schema.addColumns(table, [{ spec, family: null }], { onRows });
  }
}
