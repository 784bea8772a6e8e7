import { SpanvaultError } from '../fault/index.js';
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

/** Parses `10.1.2.3/16`, `fe80::1/64`, `::ffff:1.2.3.4`. @throws SpanvaultError SV_USAGE */
export function parseInet(text: string): InetDatum {
  const trimmed = text.trim();
  const slash = trimmed.indexOf('/');
  const address =
    parseV4(slash < 0 ? trimmed : trimmed.slice(0, slash)) ?? parseV6(slash < 0 ? trimmed : trimmed.slice(0, slash));
  const bits = (address?.length ?? 0) * 8;
  const maskText = slash < 0 ? String(bits) : trimmed.slice(slash + 1);
  if (address === undefined || !/^\d{1,3}$/.test(maskText) || Number(maskText) > bits) {
    throw new SpanvaultError('SV_USAGE', `could not parse ${JSON.stringify(text)} as inet. invalid IP`);
  }
  return { kind: 'inet', mask: Number(maskText), address };
}

function parseV4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined;
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2 || text === '') return undefined;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Bytes of `1:2:…`, whose last group may be a dotted IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  for (const group of text.split(':')) {
    const v4 = parseV4(group);
    if (v4 !== undefined) bytes.push(...v4);
    else if (/^[0-9a-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}
