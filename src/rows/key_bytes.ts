import type { ByteReader } from './byte_reader.js';
import type { ByteWriter } from './byte_writer.js';
import type { BitsDatum, Datum } from './datum.js';
import { bitWord, unknownDatum } from './scalar_codec.js';

/*
 * Escaped byte strings and bit arrays inside keys (crdb-format.md 5.1, 5.2), without their markers.
 */

const ESCAPE = 0x00;
const ESCAPED_ZERO = 0xff;
const TERMINATOR = 0x01;

/** Position of the terminator's first byte, and how many zero bytes are escaped before it. */
function scanEscaped(reader: ByteReader, flip: number): { readonly end: number; readonly escapes: number } {
  const { bytes } = reader;
  const stop = ESCAPE ^ flip;
  let escapes = 0;
  let at = reader.pos;
  for (;;) {
    at = bytes.indexOf(stop, at);
    if (at < 0 || at + 1 >= reader.end) throw reader.fail('ordered byte string');
    const next = bytes[at + 1]! ^ flip;
    if (next === TERMINATOR) return { end: at, escapes };
    if (next !== ESCAPED_ZERO) throw reader.fail('ordered byte string');
    escapes++;
    at += 2;
  }
}

/** Reads `escaped ‖ 00 01` or its complement. @throws SpanvaultError SV_CORRUPT_VALUE */
export function readEscaped(reader: ByteReader, descending: boolean): Uint8Array {
  const flip = descending ? 0xff : 0x00;
  const { end, escapes } = scanEscaped(reader, flip);
  const out = new Uint8Array(end - reader.pos - escapes);
  let at = 0;
  for (let index = reader.pos; index < end; index++) {
    const byte = reader.bytes[index]! ^ flip;
    out[at++] = byte;
    if (byte === ESCAPE) index++;
  }
  reader.pos = end + 2;
  return out;
}

/** The same as text; bytes that are not UTF-8 become an unknown datum. */
export function readEscapedText(reader: ByteReader, descending: boolean): Datum {
  const bytes = readEscaped(reader, descending);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (text.includes('\ufffd') && Buffer.compare(Buffer.from(text), bytes) !== 0) {
    return unknownDatum('text is not valid UTF-8', bytes);
  }
  return text;
}

/** Appends `escaped ‖ 00 01` or its complement. */
export function writeEscaped(writer: ByteWriter, bytes: Uint8Array, descending: boolean): void {
  const flip = descending ? 0xff : 0x00;
  if (!descending && !bytes.includes(0)) {
    writer.raw(bytes);
  } else {
    for (const byte of bytes) {
      writer.byte(byte ^ flip);
      if (byte === ESCAPE) writer.byte(ESCAPED_ZERO ^ flip);
    }
  }
  writer.byte(ESCAPE ^ flip);
  writer.byte(TERMINATOR ^ flip);
}

/** Reads words up to the terminator, then the number of bits used in the last word. */
export function readBits(reader: ByteReader, descending: boolean): BitsDatum {
  const terminator = descending ? 0xff : 0x00;
  const readWord = (): bigint => (descending ? reader.uvarintDescending() : BigInt.asUintN(64, reader.varint()));
  const words: string[] = [];
  while (reader.peek() !== terminator) words.push(readWord().toString(2).padStart(64, '0'));
  reader.pos++;
  const used = Number(readWord());
  if (used > 64 || (words.length === 0) !== (used === 0)) throw reader.fail('ordered bit array');
  const all = words.join('');
  return { kind: 'bits', bits: all.slice(0, all.length - (words.length === 0 ? 0 : 64 - used)) };
}

export function writeBits(writer: ByteWriter, bits: string, descending: boolean): void {
  const writeWord = (word: bigint): void => (descending ? writer.uvarintDescending(word) : writer.uvarint(word));
  for (let index = 0; index < bits.length; index += 64) writeWord(bitWord(bits, index));
  writer.byte(descending ? 0xff : 0x00);
  writeWord(BigInt(bits.length === 0 ? 0 : bits.length - 64 * (Math.ceil(bits.length / 64) - 1)));
}
