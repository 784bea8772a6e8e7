/*
 * `npm run bench`: measures, prints tables, and writes report.json and report.html into bench/out.
 * Options: --smoke | --full, --only encode,flows,chains,incremental,memory,storage, --out DIRECTORY.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { benchChains } from './chains.js';
import { benchEncode } from './encode.js';
import { benchFlows } from './flows.js';
import { benchIncremental } from './incremental.js';
import { describeMachine } from './machine.js';
import { benchMemory } from './memory.js';
import { renderPage } from './page.js';
import { PeerRuns } from './peers.js';
import { rcloneStatus } from './rclone.js';
import { judge, peerStatus, type Report } from './report.js';
import { sizesOf } from './sizes.js';
import { benchStoreFlows } from './storage_flows.js';
import { benchStoreMemory } from './storage_memory.js';
import { type StorageReport, storeFlowTable, storeMemoryTable, transferTable } from './storage_report.js';
import { benchTransfers } from './storage_transfers.js';
import { storeStatus } from './store_server.js';
import {
  aimTable,
  chainTable,
  encodeTable,
  flowTable,
  incrementalTable,
  memoryTable,
  printTable,
  type Table,
} from './tables.js';

const PARTS = ['encode', 'flows', 'chains', 'incremental', 'memory', 'storage'] as const;
type Part = (typeof PARTS)[number];

function isPart(text: string): text is Part {
  return PARTS.some((part) => part === text);
}

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    only: { type: 'string', default: PARTS.join(',') },
    out: { type: 'string', default: join(import.meta.dirname, '..') },
  },
});
const sizes = sizesOf(values.smoke ? 'smoke' : values.full ? 'full' : 'usual');
const parts = new Set(values.only.split(','));
for (const part of parts) {
  if (!isPart(part)) throw new RangeError(`--only ${part}: the parts are ${PARTS.join(', ')}`);
}

/** The rows of a part, printed as they come; none when the part was not asked for. */
async function runPart<R>(
  part: Part,
  table: (rows: readonly R[]) => Table,
  run: (onRow: (row: R) => void) => R[] | Promise<R[]>,
  title: string = part,
): Promise<R[]> {
  if (!parts.has(part)) return [];
  console.log(`\n${title}`);
  const rows = await run((row) => console.log(table([row]).rows[0]!.join('  ')));
  console.log(rows.length === 0 ? 'not run' : `\n${printTable(table(rows))}`);
  return rows;
}

const machine = describeMachine();
const { processor, cores, memoryGiB, node, commit, date, loadBefore } = machine;
console.log(
  `${processor}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, commit ${commit}, ${date}, load ${loadBefore.toFixed(1)}`,
);
const scratch = mkdtempSync(join(tmpdir(), 'spanvault-bench-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const peers = new PeerRuns(scratch);
const encode = await runPart('encode', encodeTable, (onRow) => benchEncode(sizes, peers, onRow));
const flows = await runPart('flows', flowTable, (onRow) => benchFlows(sizes, scratch, onRow));
const chains = await runPart('chains', chainTable, (onRow) => benchChains(sizes, scratch, onRow));
const incremental = await runPart('incremental', incrementalTable, (onRow) => benchIncremental(sizes, scratch, onRow));
const memory = await runPart('memory', memoryTable, (onRow) => benchMemory(sizes, scratch, onRow));
const storage: StorageReport = {
  server: storeStatus(),
  rclone: rcloneStatus(),
  transfers: await runPart(
    'storage',
    transferTable,
    (onRow) => benchTransfers(sizes, scratch, onRow),
    `storage: ${storeStatus()}; ${rcloneStatus()}`,
  ),
  flows: await runPart('storage', storeFlowTable, (onRow) => benchStoreFlows(sizes, scratch, onRow), 'storage: flows'),
  memory: await runPart(
    'storage',
    storeMemoryTable,
    (onRow) => benchStoreMemory(sizes, scratch, onRow),
    'storage: memory',
  ),
};

const found = {
  machine,
  size: sizes.name,
  peers: peerStatus(peers.built),
  encode,
  flows,
  chains,
  incremental,
  memory,
  storage,
};
const report: Report = { ...found, aims: judge(found, parts) };
console.log(`\n${Object.values(report.peers).join('\n')}\n\n${printTable(aimTable(report.aims))}`);
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(out, 'report.html'), renderPage(report));
