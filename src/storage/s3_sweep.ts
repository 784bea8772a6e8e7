import type { MultipartUpload } from '@aws-sdk/client-s3';
import { PageMarkers } from './page_markers.js';
import type { S3Storage } from './s3.js';
import { abortUpload } from './s3_writer.js';
import type { Leftover, Repeat } from './sweep.js';

/** Multipart uploads below a location that nobody completed or aborted, begun before `before`. Removes them when told. */
export async function sweepUploads(
  storage: S3Storage,
  before: number,
  remove: boolean,
  repeat: Repeat,
): Promise<readonly Leftover[]> {
  const { bucket } = storage;
  const found: Leftover[] = [];
  for (const { Key = '', UploadId = '', Initiated } of await uploads(storage, repeat)) {
    const since = Initiated ?? new Date(0);
    if (since.getTime() >= before) continue;
    const location = `s3://${bucket.name}/${Key}`;
    if (remove) await repeat('delete', Key, () => abortUpload(bucket, Key, UploadId, `sweeping ${location}`));
    found.push({ kind: 'upload', location, since, removed: remove });
  }
  return found;
}

async function uploads({ bucket, under, display }: S3Storage, repeat: Repeat): Promise<readonly MultipartUpload[]> {
  const all: MultipartUpload[] = [];
  const what = `listing uploads of ${display}`;
  const markers = new PageMarkers(what);
  let after: { readonly key: string | undefined; readonly upload: string | undefined } | undefined;
  do {
    const from = after;
    const page = await repeat('list', under, () =>
      bucket.request('ListMultipartUploads', what, undefined, ({ sdk, client }) =>
        client.send(
          new sdk.ListMultipartUploadsCommand({
            Bucket: bucket.name,
            Prefix: under,
            ...(from?.key === undefined ? {} : { KeyMarker: from.key }),
            ...(from?.upload === undefined ? {} : { UploadIdMarker: from.upload }),
          }),
        ),
      ),
    );
    all.push(...(page.Uploads ?? []));
    const { NextKeyMarker: key, NextUploadIdMarker: upload } = page;
    // Uploads of one key may fill several pages.
    const marker = key === undefined || key === '' ? undefined : JSON.stringify([key, upload]);
    after = markers.next(marker, page.IsTruncated === true) === undefined ? undefined : { key, upload };
  } while (after !== undefined);
  return all;
}
