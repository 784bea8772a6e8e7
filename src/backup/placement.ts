import { type Locality, printLocality, type Span } from '../keys/index.js';
import type { BackupPlan, DisplacedReason } from './plan.js';

/** What went into one bucket. */
export interface BucketPlacement {
  /** `key=value`, or "default". */
  readonly locality: string;
  /** Bucket URI, redacted. */
  readonly bucket: string;
  readonly ranges: number;
  readonly files: number;
  /** Key+value bytes. */
  readonly dataBytes: number;
  /** Bytes of the SST files. */
  readonly fileBytes: number;
}

/** A range whose data lies outside a bucket of its own locality. */
export interface DisplacedRange {
  readonly rangeId: number;
  readonly span: Span;
  readonly wanted: string;
  readonly nodeId: number;
  readonly nodeLocality: string;
  /** `key=value` of the bucket that it went to, or "default". */
  readonly bucket: string;
  readonly reason: DisplacedReason;
}

/** Where everything went: the proof that the documentation of locality-aware backups does not give (L01). */
export interface PlacementReport {
  readonly buckets: readonly BucketPlacement[];
  readonly displaced: readonly DisplacedRange[];
}

/** Sizes of one finished file, as the report sums them. */
export interface PlacedFile {
  readonly localityKv: string;
  readonly dataBytes: number;
  readonly fileBytes: number;
}

/** Sums plan and finished files per bucket; buckets that got nothing are listed with zeros. */
export function placementReport(
  plan: BackupPlan,
  files: readonly PlacedFile[],
  buckets: readonly { readonly localityKv: string; readonly display: string }[],
  localityOf: (nodeId: number) => Locality,
): PlacementReport {
  const pieces = plan.tasks.flatMap((task) => task.pieces);
  return {
    buckets: buckets.map(({ localityKv, display }) => {
      const own = files.filter((file) => file.localityKv === localityKv);
      return {
        locality: localityKv === '' ? 'default' : localityKv,
        bucket: display,
        ranges: new Set(pieces.filter((piece) => piece.localityKv === localityKv).map((piece) => piece.rangeId)).size,
        files: own.length,
        dataBytes: own.reduce((sum, file) => sum + file.dataBytes, 0),
        fileBytes: own.reduce((sum, file) => sum + file.fileBytes, 0),
      };
    }),
    displaced: pieces.flatMap((piece) =>
      piece.displaced === undefined
        ? []
        : [
            {
              rangeId: piece.rangeId,
              span: piece.span,
              wanted: printLocality(piece.wantedLocality ?? []),
              nodeId: piece.nodeId,
              nodeLocality: printLocality(localityOf(piece.nodeId)),
              bucket: piece.localityKv === '' ? 'default' : piece.localityKv,
              reason: piece.displaced,
            },
          ],
    ),
  };
}
