import { printDecimal, toHex } from '../keys/index.js';
import { type Manifest, printVersion } from '../manifest/index.js';

/**
 * A manifest as JSON text, with the keys of SHOW BACKUP … WITH as_json that CockroachDB's documentation uses
 * (`entryCounts`, `files[].path`). Keys are base64, times decimal; descriptors are named by their bytes.
 */
export function manifestJson(manifest: Manifest): string {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const counts = ({ dataSize, rows, indexEntries }: Manifest['entryCounts']) => ({
    dataSize: String(dataSize),
    indexEntries: String(indexEntries),
    rows: String(rows),
  });
  const span = ({ key, endKey }: Manifest['spans'][number]) => ({ key: base64(key), endKey: base64(endKey) });
  return JSON.stringify({
    startTime: printDecimal(manifest.startTime),
    endTime: printDecimal(manifest.endTime),
    mvccFilter: manifest.mvccFilter === 'all' ? 'All' : 'Latest',
    descriptorCoverage: manifest.descriptorCoverage === 'cluster' ? 'AllDescriptors' : 'RequestedDescriptors',
    clusterId: toHex(manifest.clusterId),
    id: toHex(manifest.id),
    nodeId: manifest.nodeId,
    clusterVersion: printVersion(manifest.clusterVersion),
    buildInfo: { tag: manifest.buildInfo.tag },
    formatVersion: manifest.formatVersion,
    completeDbs: manifest.completeDbs,
    entryCounts: counts(manifest.entryCounts),
    spans: manifest.spans.map(span),
    introducedSpans: manifest.introducedSpans.map(span),
    localityKvs: manifest.localityKvs,
    partitionDescriptorFilenames: manifest.partitionDescriptorFilenames,
    files: manifest.files.map((file) => ({
      path: file.path,
      span: span(file.span),
      localityKv: file.localityKv,
      entryCounts: counts(file.entryCounts),
    })),
    descriptors: manifest.descriptors.map(base64),
  });
}
