import { EMPTY_TIMESTAMP, nextKey } from '../keys/index.js';
import { holds, same } from './assertions.js';
import { history, keyOf, type SourceCheck, TOMBSTONE, value, version } from './source_check.js';
import { scanAll, visitedBy } from './source_scan.js';

/** What a scan gives: full exports, windows, revisions, spans, and the same through any buffer. */
export const EXPORTS: readonly SourceCheck[] = [
  {
    name: 'exports the newest version of live keys, and nothing of deleted ones',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      same(
        await scanAll(subject.source, request),
        [version(h.a, h.a2, value('a2')), version(h.c, h.c1, value('c1'))],
        'full export',
      );
    },
  },
  {
    name: 'reads the past as it was',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.middle, allRevisions: false };
      same(
        await scanAll(subject.source, request),
        [version(h.a, h.a1, value('a1')), version(h.b, h.b1, value('b1'))],
        'export of the past',
      );
    },
  },
  {
    name: 'exports changes since a time, tombstones included',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: h.middle, endTime: h.end, allRevisions: false };
      const expected = [
        version(h.a, h.a2, value('a2')),
        version(h.b, h.b2, TOMBSTONE),
        version(h.c, h.c1, value('c1')),
      ];
      same(await scanAll(subject.source, request), expected, 'incremental export');
      same(await scanAll(subject.source, { ...request, startTime: h.c1 }), [], 'export of nothing');
    },
  },
  {
    name: 'begins a window after its start time and ends it with its end time',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: h.a1, endTime: h.b2, allRevisions: false };
      const expected = [version(h.a, h.a2, value('a2')), version(h.b, h.b2, TOMBSTONE)];
      same(await scanAll(subject.source, request), expected, 'changes up to the time of a version');
      same(
        await scanAll(subject.source, { ...request, allRevisions: true }),
        [expected[0], expected[1], version(h.b, h.b1, value('b1'))],
        'revisions after the time of a version',
      );
      same(
        await scanAll(subject.source, { ...request, startTime: h.b2, endTime: h.b2 }),
        [],
        'changes of an empty window',
      );
    },
  },
  {
    name: 'looks at little more than what changed, where it says that it has an index',
    async run(subject) {
      const { source } = subject;
      if (source.incremental !== 'indexed') return;
      for (let index = 0; index < 300; index++) await subject.put(keyOf(subject, `k${index}`), value('x'.repeat(80)));
      const startTime = source.now();
      await (await source.protect?.(startTime))?.();
      const changed = await subject.put(keyOf(subject, 'k7'), value('y'.repeat(80)));
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: source.now(), allRevisions: false };
      const full = await visitedBy(source, request);
      const incremental = await visitedBy(source, { ...request, startTime });
      holds(!full.indexed && incremental.indexed, 'the scan of a fresh window does not use the index');
      holds(
        incremental.bytes * 20 < full.bytes,
        `one of 300 changed rows took ${incremental.bytes} bytes, all of them ${full.bytes}`,
      );
      same(
        await scanAll(source, { ...request, startTime }),
        [version(keyOf(subject, 'k7'), changed, value('y'.repeat(80)))],
        'what changed',
      );
    },
  },
  {
    name: 'exports every revision, newest first',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: true };
      const expected = [
        version(h.a, h.a2, value('a2')),
        version(h.a, h.a1, value('a1')),
        version(h.b, h.b2, TOMBSTONE),
        version(h.b, h.b1, value('b1')),
        version(h.c, h.c1, value('c1')),
      ];
      same(await scanAll(subject.source, request), expected, 'export of all revisions');
      same(
        await scanAll(subject.source, { ...request, startTime: h.middle }),
        [expected[0], expected[2], expected[4]],
        'revisions since a time',
      );
    },
  },
  {
    name: 'keeps to half-open spans',
    async run(subject) {
      const h = await history(subject);
      const request = { startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      same(
        (await scanAll(subject.source, { ...request, span: { key: h.a, endKey: h.c } })).length,
        1,
        'entries before the end key',
      );
      same(
        (await scanAll(subject.source, { ...request, span: { key: h.a, endKey: nextKey(h.c) } })).length,
        2,
        'entries up to the end key',
      );
      same(
        (await scanAll(subject.source, { ...request, span: { key: nextKey(h.a), endKey: h.c } })).length,
        0,
        'entries between',
      );
    },
  },
  {
    name: 'gives the same versions through any buffer',
    async run(subject) {
      const long = value('x'.repeat(5000));
      for (let index = 0; index < 50; index++)
        await subject.put(keyOf(subject, `k${index}`), index % 7 === 3 ? long : value(`v${index}`));
      const request = {
        span: subject.span,
        startTime: EMPTY_TIMESTAMP,
        endTime: subject.source.now(),
        allRevisions: false,
      };
      const expected = await scanAll(subject.source, request);
      same(expected.length, 50, 'entries');
      for (const [bytes, entries] of [
        [1, 1],
        [100, 3],
        [5100, 1024],
      ] as const) {
        same(await scanAll(subject.source, request, bytes, entries), expected, `entries through ${bytes} bytes`);
      }
    },
  },
  {
    name: 'is not disturbed by writes after its end time',
    async run(subject) {
      const h = await history(subject);
      const request = { span: subject.span, startTime: EMPTY_TIMESTAMP, endTime: h.end, allRevisions: false };
      const before = await scanAll(subject.source, request);
      await subject.put(h.a, value('later'));
      await subject.put(h.c, TOMBSTONE);
      same(await scanAll(subject.source, request), before, 'a second export at the same time');
    },
  },
  {
    name: 'protects a time and lets it go',
    async run({ source }) {
      if (source.protect === undefined) return;
      const release = await source.protect(source.now());
      await release();
      await release();
    },
  },
];
