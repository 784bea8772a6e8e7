import { fromHex, type Span, toHex } from '../../keys/index.js';
import type { ClusterCore } from './core.js';
import type { MetaPut } from './store.js';

const JOURNAL_PREFIX = 'journal/';

interface JournalRecord {
  /** For people who look at the store. */
  readonly what: string;
  readonly spans: readonly (readonly [string, string])[];
}

/** The record of a bulk write that is not published yet: what a rollback, or the next opener, must erase. */
export function journalRecord(id: string, what: string, spans: readonly Span[]): MetaPut {
  const value: JournalRecord = { what, spans: spans.map(({ key, endKey }) => [toHex(key), toHex(endKey)]) };
  return { key: JOURNAL_PREFIX + id, value };
}

/** Deletes the record: part of the commit that publishes. */
export function closedJournal(id: string): MetaPut {
  return { key: JOURNAL_PREFIX + id, value: undefined };
}

/** Erases what the record names and then the record; nothing when there is no such record. */
export function rollbackJournal(core: ClusterCore, id: string): void {
  const record = core.store.metaGet<JournalRecord>(JOURNAL_PREFIX + id);
  if (record === undefined) return;
  // Versions first, in steps of their own: when this is cut short, the record still names all of them.
  core.store.erase(...spansOf(record));
  core.store.commit({ meta: [closedJournal(id)] });
}

/** Erases every unfinished bulk write; only for an opener that is alone. Returns what they were. */
export function rollbackAll(core: ClusterCore): string[] {
  return core.store.metaList<JournalRecord>(JOURNAL_PREFIX).map(({ key, value }) => {
    rollbackJournal(core, key.slice(JOURNAL_PREFIX.length));
    return value.what;
  });
}

/** Spans of bulk writes that are not published yet. */
export function unpublishedSpans(core: ClusterCore): Span[] {
  return core.store.metaList<JournalRecord>(JOURNAL_PREFIX).flatMap(({ value }) => spansOf(value));
}

function spansOf(record: JournalRecord): Span[] {
  return record.spans.map(([key, endKey]) => ({ key: fromHex(key), endKey: fromHex(endKey) }));
}
