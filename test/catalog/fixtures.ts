import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Catalog, type Descriptor, decodeDescriptor, readFields } from '#src/catalog/index.js';

/** Real backups and what CockroachDB says of them; tests that need them skip where the folder is absent. */
export const FIXTURES = new URL('../../../shared/fixtures/', import.meta.url).pathname;
export const HAS_FIXTURES = existsSync(FIXTURES);

/** Field number of `descriptors` in BackupManifest. */
const MANIFEST_DESCRIPTORS = 5;

function manifestPaths(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return manifestPaths(path);
    return entry.name === 'BACKUP' || entry.name === 'BACKUP_MANIFEST' ? [path] : [];
  });
}

/** Paths of the clear-text manifests below a fixture, relative to the backups' folder. */
export function manifests(fixture = ''): string[] {
  const root = join(FIXTURES, 'cockroach-backups');
  return manifestPaths(join(root, fixture))
    .filter((path) => readFileSync(path).subarray(0, 7).toString() !== 'encrypt')
    .map((path) => path.slice(root.length + 1))
    .sort();
}

/** Marshalled descriptors of a manifest. */
export function rawDescriptors(manifest: string): Uint8Array[] {
  const file = readFileSync(join(FIXTURES, 'cockroach-backups', manifest));
  const bytes = file[0] === 0x1f ? gunzipSync(file) : file;
  return readFields(bytes)
    .filter(({ number }) => number === MANIFEST_DESCRIPTORS)
    .map(({ valueStart, end }) => bytes.subarray(valueStart, end));
}

/** Catalog of the first manifest of a fixture. */
export function fixtureCatalog(fixture: string): Catalog {
  return Catalog.decode(rawDescriptors(manifests(fixture)[0]!));
}

/** Every descriptor of every manifest, with the manifest's name. */
export function everyDescriptor(): { readonly manifest: string; readonly descriptor: Descriptor }[] {
  return manifests().flatMap((manifest) =>
    rawDescriptors(manifest).map((raw) => ({ manifest, descriptor: decodeDescriptor(raw) })),
  );
}

/** A text file of the truth folder. */
export function truth(path: string): string {
  return readFileSync(join(FIXTURES, 'truth', path), 'utf8');
}

/** Rows of a CSV text with double-quoted fields that may hold line ends. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let field = '';
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (quoted) {
      if (character !== '"') field += character;
      else if (text[index + 1] === '"') {
        field += '"';
        index++;
      } else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === ',' || character === '\n') {
      rows.at(-1)!.push(field);
      field = '';
      if (character === '\n' && index < text.length - 1) rows.push([]);
    } else field += character;
  }
  if (field !== '') rows.at(-1)!.push(field);
  return rows;
}
