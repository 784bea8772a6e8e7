import type { ByteReader } from './byte_reader.js';
import type { ByteWriter } from './byte_writer.js';
import type { InetDatum } from './datum.js';

const FAMILY_V4 = 0;
const FAMILY_V6 = 1;

/** Reads `family ‖ mask ‖ 4 or 16 address bytes`. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readInet(reader: ByteReader): InetDatum {
  const family = reader.byte();
  if (family !== FAMILY_V4 && family !== FAMILY_V6) throw reader.fail('inet family');
  const mask = reader.byte();
  return { kind: 'inet', mask, address: reader.take(family === FAMILY_V4 ? 4 : 16, 'inet address') };
}

export function writeInet(writer: ByteWriter, value: InetDatum): void {
  writer.byte(value.address.length === 4 ? FAMILY_V4 : FAMILY_V6);
  writer.byte(value.mask);
  writer.raw(value.address);
}

/** Text as CockroachDB prints it: the mask only when it is shorter than the address. */
export function inetText(value: InetDatum): string {
  const bits = value.address.length * 8;
  return `${addressText(value.address)}${value.mask === bits ? '' : `/${value.mask}`}`;
}

function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  if (address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff) {
    return `::ffff:${address.subarray(12).join('.')}`;
  }
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) groups.push(address[index]! * 256 + address[index + 1]!);
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
