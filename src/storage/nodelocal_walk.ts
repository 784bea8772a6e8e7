import { throwIfAborted } from '../fault/index.js';
import { native } from '../native/index.js';
import type { ListedObject, ListOptions } from './contract.js';
import { nativeFileFault } from './nodelocal_faults.js';
import type { NodelocalRoot } from './nodelocal_root.js';
import { TEMPORARY } from './nodelocal_writer.js';

/** Names per native call: a few milliseconds of a thread of Node's pool. */
const PAGE = 1000;
/** Of the first page: many callers want to know only whether there is anything. */
const FIRST_PAGE = 64;

/**
 * Objects below `base` in byte order, hidden unfinished files left out; see ExternalStorage.list.
 * @param shown the place, for messages
 */
export async function* walk(
  root: NodelocalRoot,
  base: string,
  prefix: string,
  { delimiter, after, signal }: ListOptions,
  shown: string,
): AsyncIterable<ListedObject> {
  const names = native.fileWalk({
    root: root.nodeDirectory,
    base,
    prefix,
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(after === undefined ? {} : { after }),
    hidden: TEMPORARY,
  });
  for (let most = FIRST_PAGE; ; most = PAGE) {
    throwIfAborted(signal);
    const page = await names.next(most);
    if (page.fault !== undefined) throw nativeFileFault(page.fault, `listing ${shown}`);
    for (const [index, name] of page.names.entries()) {
      const bytes = page.sizes[index]!;
      if (bytes < 0) yield { name, bytes: undefined };
      else yield { name, bytes, modified: new Date(page.modified[index]!) };
    }
    if (page.done) return;
  }
}
