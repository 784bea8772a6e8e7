import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildChain, COLLECTIONS } from './chain_build.js';
import type { ChainRestored } from './chain_child.js';
import { type Figure, figure } from './measure.js';
import { type Resident, ResidentWatch } from './resident.js';
import type { Sizes } from './sizes.js';

/** Restores of the same rows from a chain and from one full, each in a process of its own; memory in MiB. */
export interface ChainRow {
  readonly layers: number;
  /** Key and value bytes. */
  readonly bytes: number;
  readonly seconds: Figure;
  readonly fullSeconds: Figure;
  /** Median seconds by those of the full that is a chain of its own. */
  readonly ofFull: number;
  /** Seconds until the first row is read: manifests, parts, covering. */
  readonly openSeconds: Figure;
  /** Greatest VmRSS of any round, and the anonymous pages at that moment. */
  readonly peakResident: number;
  readonly peakAnonymous: number;
  /** The same of the full. */
  readonly fullResident: number;
  readonly fullAnonymous: number;
  /** Memory samples of the round with the fewest. */
  readonly samples: number;
}

interface Measured extends ChainRestored {
  readonly peak: Resident;
  readonly samples: number;
}

/** A child that restores one collection again and again. */
class RestoringChild {
  readonly #process;
  readonly #watch: ResidentWatch;

  constructor(directory: string, name: string, into: string) {
    this.#process = fork(join(import.meta.dirname, 'chain_child.js'), [directory, name, into]);
    this.#watch = new ResidentWatch(this.#process.pid);
  }

  async restore(): Promise<Measured> {
    const failed = new AbortController();
    const ended = (code: number | null, signal: string | null): void =>
      failed.abort(new Error(`a process that restores a chain ended with ${code ?? signal}`));
    this.#process.once('exit', ended);
    this.#watch.restart();
    this.#process.send('restore');
    try {
      const [result] = (await once(this.#process, 'message', { signal: failed.signal })) as [ChainRestored];
      this.#watch.sample();
      return { ...result, peak: this.#watch.peak, samples: this.#watch.samples };
    } finally {
      this.#process.off('exit', ended);
    }
  }

  async close(): Promise<void> {
    this.#watch.stop();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.disconnect();
    await gone;
  }
}

function rowOf(layers: number, chain: readonly Measured[], full: readonly Measured[]): ChainRow {
  const seconds = figure(chain.map((one) => one.seconds));
  const fullSeconds = figure(full.map((one) => one.seconds));
  const peakOf = (runs: readonly Measured[]): Resident =>
    runs.map(({ peak }) => peak).reduce((a, b) => (b.all > a.all ? b : a));
  const [peak, fullPeak] = [peakOf(chain), peakOf(full)];
  return {
    layers,
    bytes: chain[0]!.bytes,
    seconds,
    fullSeconds,
    ofFull: seconds.median / fullSeconds.median,
    openSeconds: figure(chain.map((one) => one.openSeconds)),
    peakResident: peak.all,
    peakAnonymous: peak.anonymous,
    fullResident: fullPeak.all,
    fullAnonymous: fullPeak.anonymous,
    samples: Math.min(...[...chain, ...full].map(({ samples }) => samples)),
  };
}

/** Chains of every length of the sizes, each beside a full of the same rows in alternation. */
export async function benchChains(sizes: Sizes, scratch: string, onRow: (row: ChainRow) => void): Promise<ChainRow[]> {
  const found: ChainRow[] = [];
  for (const layers of sizes.chainLayers) {
    const directory = join(scratch, 'chain');
    await buildChain(directory, layers, sizes.chainBytes);
    const chain: Measured[] = [];
    const full: Measured[] = [];
    const children = [
      { runs: full, child: new RestoringChild(directory, COLLECTIONS.full, join(scratch, 'restored_full')) },
      { runs: chain, child: new RestoringChild(directory, COLLECTIONS.chain, join(scratch, 'restored_chain')) },
    ];
    try {
      for (let round = 0; round < sizes.flowRounds; round++)
        for (const { runs, child } of children) runs.push(await child.restore());
    } finally {
      for (const { child } of children) await child.close();
      rmSync(directory, { recursive: true, force: true });
    }
    if (chain.some((one, index) => one.bytes !== full[index]!.bytes))
      throw new Error(`a chain of ${layers} layers restored ${chain[0]!.bytes} bytes and its full ${full[0]!.bytes}`);
    const row = rowOf(layers, chain, full);
    found.push(row);
    onRow(row);
  }
  return found;
}
