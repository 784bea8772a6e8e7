import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Figure, figure, megabytesPerSecond } from './measure.js';

export type PeerName = 'rocksdb' | 'pebble';

/** What the report says of each peer. */
export const PEERS: Readonly<Record<PeerName, string>> = {
  rocksdb: 'RocksDB SstFileWriter (Debian’s package: built with assertions, so slower than a release build)',
  pebble: 'Pebble sstable.Writer',
};

/** The bench is compiled to bench/out/js; the peers lie in bench/peers/bin. */
const BIN = join(import.meta.dirname, '..', '..', 'peers', 'bin');

/** The peers that are built, run on records of the bench. */
export class PeerRuns {
  readonly #file: string;
  readonly built: readonly PeerName[];
  #bytes = 0;

  /** `directory` is for the file of records. */
  constructor(directory: string) {
    this.#file = join(directory, 'records');
    this.built = (Object.keys(PEERS) as PeerName[]).filter((name) => existsSync(join(BIN, `peer-${name}`)));
  }

  /** Hands over records in the peers' format, with the bytes of their keys and values. */
  load(records: Uint8Array, bytes: number): void {
    this.#bytes = bytes;
    if (this.built.length > 0) writeFileSync(this.#file, records);
  }

  /** MB of keys and values per processor second of each peer. */
  measure(
    codec: { readonly compression: string; readonly level: number },
    blockBytes: number,
    rounds: number,
  ): Partial<Record<PeerName, Figure>> {
    const figures: Partial<Record<PeerName, Figure>> = {};
    for (const name of this.built) {
      const args = [this.#file, codec.compression, String(codec.level), String(blockBytes), String(rounds)];
      const done = spawnSync(join(BIN, `peer-${name}`), args, { encoding: 'utf8' });
      if (done.status !== 0) throw new Error(`peer ${name} failed: ${done.stderr}`);
      const { seconds } = JSON.parse(done.stdout) as { readonly seconds: readonly number[] };
      figures[name] = figure(seconds.map((one) => megabytesPerSecond(this.#bytes, one)));
    }
    return figures;
  }
}
