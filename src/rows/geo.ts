import { SpanvaultError } from '../fault/index.js';
import type { GeoDatum } from './datum.js';

/*
 * SpatialObject, the protobuf that holds GEOMETRY and GEOGRAPHY values: field 2 is the EWKB. The bytes are kept as found.
 */

const EWKB_FIELD = 2;

/** @throws SpanvaultError SV_CORRUPT_VALUE */
export function readSpatialObject(spatialObject: Uint8Array, curveIndex: bigint | undefined): GeoDatum {
  return { kind: 'geo', spatialObject, ewkb: findBytesField(spatialObject, EWKB_FIELD), curveIndex };
}

function malformed(bytes: Uint8Array, pos: number): SpanvaultError {
  return new SpanvaultError('SV_CORRUPT_VALUE', `spatial object of ${bytes.length} bytes is malformed at byte ${pos}`);
}

/** The payload of a length-delimited field of a flat walk; empty when absent. */
function findBytesField(bytes: Uint8Array, wanted: number): Uint8Array {
  let found = new Uint8Array(0);
  let pos = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = bytes[pos++];
      if (byte === undefined) throw malformed(bytes, pos);
      value += (byte & 0x7f) * 128 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed(bytes, pos);
  };
  while (pos < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) pos += 8;
    else if (wire === 5) pos += 4;
    else if (wire === 2) {
      const length = varint();
      if (length > bytes.length - pos) throw malformed(bytes, pos);
      if (Math.floor(tag / 8) === wanted) found = bytes.slice(pos, pos + length);
      pos += length;
    } else throw malformed(bytes, pos);
    if (pos > bytes.length) throw malformed(bytes, pos);
  }
  return found;
}
