import { listFulls, parseSourceUris, surveyLocation } from '../collection/index.js';
import { type ExternalStorage, openStorage, type StorageSettings } from '../storage/index.js';

/** Calls `look` with every location of a list, one after the other. */
async function eachLocation(
  uris: readonly string[],
  settings: StorageSettings,
  look: (storage: ExternalStorage) => Promise<void>,
): Promise<void> {
  for (const { uri } of parseSourceUris(uris, settings)) {
    const storage = openStorage({ uri, settings });
    try {
      await look(storage);
    } finally {
      await storage.close();
    }
  }
}

/**
 * Subdirectories of the full backups of a collection, oldest first. Any of a locality-aware backup's locations may be given;
 * only the default one holds manifests.
 */
export async function listBackups(uris: readonly string[], settings: StorageSettings = {}): Promise<readonly string[]> {
  const found = new Set<string>();
  await eachLocation(uris, settings, async (storage) => {
    for (const subdir of await listFulls(storage)) found.add(subdir);
  });
  return [...found].sort();
}

/** One sentence per location that says what it holds, for a list of locations in which no backup is found. */
export async function whyNoBackups(
  uris: readonly string[],
  settings: StorageSettings = {},
): Promise<readonly string[]> {
  const sentences: string[] = [];
  await eachLocation(uris, settings, async (storage) => {
    const { parts, isBackup, incrementals, isEmpty } = await surveyLocation(storage);
    const { display } = storage;
    if (isBackup) sentences.push(`${display} is a backup and no collection: SHOW BACKUP FROM '${display}' shows it`);
    else if (incrementals.length > 0) {
      sentences.push(
        `${display} holds ${incrementals.length} incremental layers and no full backup: their full is in the collection that they belong to`,
      );
    } else if (parts.length > 0) {
      sentences.push(
        `${display} is not the default location of its backups: it holds parts (${parts[0]}), and the manifests are in the location with COCKROACH_LOCALITY=default`,
      );
    } else sentences.push(`${display} holds ${isEmpty ? 'nothing' : 'no backup'}`);
  });
  return sentences;
}
