import type { RangeSink, RangeSource } from '#src/cluster/index.js';

/** A source that does what `source` does, but for what is given. */
export function sourceLike(source: RangeSource, own: Partial<RangeSource>): RangeSource {
  return {
    clusterId: source.clusterId,
    coordinator: source.coordinator,
    scanner: source.scanner,
    nodes: () => source.nodes(),
    now: () => source.now(),
    resolve: (targets, asOf) => source.resolve(targets, asOf),
    ranges: (spans) => source.ranges(spans),
    ...(source.history === undefined
      ? {}
      : { history: (targets, startTime, endTime) => source.history!(targets, startTime, endTime) }),
    ...(source.protect === undefined ? {} : { protect: (ts) => source.protect!(ts) }),
    ...own,
  };
}

/** A sink that does what `sink` does, but for what is given. */
export function sinkLike(sink: RangeSink, own: Partial<RangeSink>): RangeSink {
  return {
    coordinator: sink.coordinator,
    writer: sink.writer,
    nodes: () => sink.nodes(),
    begin: (scope) => sink.begin(scope),
    stageDone: (ticket, stage) => sink.stageDone(ticket, stage),
    publish: (ticket) => sink.publish(ticket),
    rollback: (ticket) => sink.rollback(ticket),
    ...own,
  };
}
