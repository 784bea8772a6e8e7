import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUCKET, findProgram, type StoreServer } from './store_server.js';

const PROGRAM = 'rclone';

/** What a report says of the peer. */
export function rcloneStatus(): string {
  return findProgram(PROGRAM) === undefined
    ? 'rclone copy: not installed'
    : 'rclone copy: from and to files, the start of its process included';
}

export function hasRclone(): boolean {
  return findProgram(PROGRAM) !== undefined;
}

/** `rclone copy` between a directory and the bucket, with part size and parts in flight of the bench. */
export class RcloneRuns {
  readonly #server: StoreServer;
  readonly #directory: string;

  /** Files are kept below `place`, which should be as fast as the server's own. */
  constructor(server: StoreServer, place: string) {
    this.#server = server;
    this.#directory = join(place, 'rclone');
  }

  /** Writes the files that `upload` copies, all parts of them equal. */
  prepare(files: number, part: Uint8Array, parts: number): void {
    rmSync(this.#directory, { recursive: true, force: true });
    mkdirSync(join(this.#directory, 'up'), { recursive: true });
    for (let file = 0; file < files; file++) {
      const path = join(this.#directory, 'up', `object-${file}`);
      for (let index = 0; index < parts; index++) writeFileSync(path, part, { flag: index === 0 ? 'w' : 'a' });
    }
  }

  upload(files: number, partMib: number, partsInFlight: number): Promise<void> {
    return this.#copy(join(this.#directory, 'up'), `:s3:${BUCKET}/rclone`, files, partMib, partsInFlight);
  }

  async download(files: number, partMib: number, partsInFlight: number): Promise<void> {
    const to = join(this.#directory, 'down');
    rmSync(to, { recursive: true, force: true });
    await this.#copy(`:s3:${BUCKET}/rclone`, to, files, partMib, partsInFlight);
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #copy(from: string, to: string, files: number, partMib: number, partsInFlight: number): Promise<void> {
    const { url, key, secret } = this.#server;
    const flags = [
      ...['--config', '/dev/null', '--ignore-times', '--transfers', String(files), '--no-traverse'],
      ...['--s3-chunk-size', `${partMib}Mi`, '--s3-upload-concurrency', String(partsInFlight)],
      ...['--s3-upload-cutoff', `${partMib}Mi`, '--s3-no-check-bucket'],
      ...['--multi-thread-streams', String(partsInFlight), '--multi-thread-chunk-size', `${partMib}Mi`],
      ...['--multi-thread-cutoff', `${partMib}Mi`],
    ];
    const child = spawn(findProgram(PROGRAM)!, ['copy', from, to, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        RCLONE_S3_PROVIDER: 'Other',
        RCLONE_S3_ACCESS_KEY_ID: key,
        RCLONE_S3_SECRET_ACCESS_KEY: secret,
        RCLONE_S3_ENDPOINT: url,
        RCLONE_S3_REGION: 'us-east-1',
      },
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2000);
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`rclone ended with ${code}: ${said}`))));
    });
  }
}
