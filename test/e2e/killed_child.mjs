// A process that kills itself, as `kill -9` does, in the middle of a backup or of a restore. Argument: JSON of
// { directory, operation, at, bucket }, where `at` is the number of a storage call or the name of a step of the sink.
import { backup } from '#src/backup/index.js';
import { openCluster } from '#src/cluster/index.js';
import { restore } from '#src/restore/index.js';
import { openStorage, printUri, registerDriver } from '#src/storage/index.js';

const { directory, operation, at, bucket = 'b' } = JSON.parse(process.argv[2]);
const die = () => process.kill(process.pid, 'SIGKILL');
let calls = 0;
const call = () => {
  if (++calls === at) die();
};

// `killing://node/path` is nodelocal:// whose nth call is the last thing that the process does.
registerDriver('killing', {
  parameters: [],
  open(uri, settings) {
    const inner = openStorage({ uri: printUri({ ...uri, scheme: 'nodelocal' }), settings });
    const counted = (object, names) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          (...args) => {
            call();
            return object[name](...args);
          },
        ]),
      );
    return {
      display: inner.display,
      ...counted(inner, ['read', 'size', 'write', 'list', 'delete']),
      async create(...args) {
        call();
        const writer = await inner.create(...args);
        return { ...counted(writer, ['write', 'finish']), abort: () => writer.abort() };
      },
      close: () => inner.close(),
    };
  },
});

const cluster = await openCluster(directory);
const storage = { externalIODir: cluster.externalIODir, selfNode: 1 };
const targets = { kind: 'databases', names: ['kv'] };
if (operation === 'backup' || operation === 'append') {
  const into = [
    `killing://1/${bucket}?COCKROACH_LOCALITY=default`,
    `killing://2/${bucket}?COCKROACH_LOCALITY=region%3Dus-west1`,
  ];
  const chain = operation === 'append' ? { appendTo: 'LATEST' } : {};
  await backup({ source: cluster.source(), into, targets, storage, workers: 0, ...chain });
} else {
  const inner = cluster.sink();
  const { openWriter } = await import(inner.writer.module);
  const writer = openWriter(inner.writer.data);
  const step = (name) => {
    if (name === at) die();
  };
  const sink = {
    coordinator: inner.coordinator,
    nodes: () => inner.nodes(),
    async begin(scope) {
      const ticket = await inner.begin(scope);
      step('begun');
      return ticket;
    },
    writer: {
      async write(batch) {
        await writer.write(batch);
        step('written');
      },
      async flush() {
        await writer.flush();
        step('flushed');
      },
      close: () => undefined,
    },
    async stageDone(ticket, stage) {
      await inner.stageDone(ticket, stage);
      step('staged');
    },
    async publish(ticket) {
      const report = await inner.publish(ticket);
      step('published');
      return report;
    },
    rollback: (ticket) => inner.rollback(ticket),
  };
  const uris = [`killing://2/${bucket}`, `killing://1/${bucket}`];
  await restore({ sink, from: 'LATEST', in: uris, targets, newDbName: 'copy', storage, workers: 0 });
  await writer.close();
}
await cluster.close();
console.log(JSON.stringify({ calls }));
