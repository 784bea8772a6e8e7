import { SpanvaultError } from '../fault/index.js';

/**
 * A bounds-checked reader over one buffer. `seek` opens a window [pos, end); every read stays inside it.
 * All methods throw SV_CORRUPT_VALUE when the window is too short or the bytes are malformed.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffer: Buffer;
  pos: number;
  end: number;

  constructor(bytes: Uint8Array) {
    // A Buffer's slice does not copy; everything handed out of here must outlive the caller's buffer.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pos = 0;
    this.end = bytes.length;
  }

  /** Opens the window [pos, end). */
  seek(pos: number, end: number): void {
    if (pos < 0 || pos > end || end > this.bytes.length) {
      throw new SpanvaultError(
        'SV_CORRUPT_VALUE',
        `window [${pos}, ${end}) lies outside a buffer of ${this.bytes.length} bytes`,
      );
    }
    this.pos = pos;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.pos;
  }

  fail(what: string): SpanvaultError {
    return new SpanvaultError(
      'SV_CORRUPT_VALUE',
      `${what} at byte ${this.pos} is malformed or cut (${this.remaining} bytes left)`,
    );
  }

  /** Next byte without moving; -1 at the end. */
  peek(): number {
    return this.pos < this.end ? this.bytes[this.pos]! : -1;
  }

  byte(): number {
    if (this.pos >= this.end) throw this.fail('byte');
    return this.bytes[this.pos++]!;
  }

  /** Moves over `length` bytes and returns where they began. */
  skip(length: number, what = 'field'): number {
    if (length < 0 || length > this.end - this.pos) throw this.fail(what);
    const start = this.pos;
    this.pos += length;
    return start;
  }

  /** A copy of the next `length` bytes. */
  take(length: number, what = 'field'): Uint8Array {
    const start = this.skip(length, what);
    return this.bytes.slice(start, start + length);
  }

  /** The next `length` bytes as UTF-8 text. */
  utf8(length: number): string {
    const start = this.skip(length, 'string');
    return this.#buffer.toString('utf8', start, start + length);
  }

  u32be(): number {
    const start = this.skip(4, 'u32');
    return this.#view.getUint32(start);
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.skip(8, 'u64'));
  }

  f64be(): number {
    return this.#view.getFloat64(this.skip(8, 'float'));
  }

  /** Big-endian unsigned integer of 1 to 8 bytes. */
  unsigned(length: number): bigint {
    const start = this.skip(length, 'integer');
    if (length === 8) return this.#view.getBigUint64(start);
    let value = 0;
    for (let index = 0; index < Math.min(length, 6); index++) value = value * 256 + this.bytes[start + index]!;
    if (length <= 6) return BigInt(value);
    return (BigInt(value) << 8n) | BigInt(this.bytes[start + 6]!);
  }

  /** NSU: most significant group first (crdb-format.md 5.4). Values above 2^53 are malformed here: they are lengths and tags. */
  nsu(): number {
    let value = 0;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    throw this.fail('variable-length number');
  }

  /** Zigzag little-endian base-128 signed integer of up to 64 bits. */
  svarint(): bigint {
    const first = this.byte();
    if (first < 0x80) return BigInt((first >>> 1) ^ -(first & 1));
    let low = first & 0x7f;
    let scale = 128;
    let count = 1;
    for (; count < 7; count++) {
      const byte = this.byte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return low % 2 === 0 ? BigInt(low / 2) : -BigInt((low + 1) / 2);
      scale *= 128;
    }
    let value = BigInt(low);
    for (; count < 10; count++) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) {
        if (value >= 2n ** 64n) break;
        return (value >> 1n) ^ -(value & 1n);
      }
    }
    throw this.fail('signed variable-length number');
  }

  /** VA: ordered signed integer (crdb-format.md 5.1). Unsigned values are read the same way. */
  varint(): bigint {
    const tag = this.byte();
    if (tag >= 0x88) {
      if (tag <= 0xf5) return BigInt(tag - 0x88);
      if (tag > 0xfd) throw this.fail('ordered integer');
      return this.unsigned(tag - 0xf5);
    }
    if (tag < 0x80) throw this.fail('ordered integer');
    const length = 0x88 - tag;
    return this.unsigned(length) - (1n << BigInt(8 * length));
  }

  /** UVD: descending unsigned integer. */
  uvarintDescending(): bigint {
    const tag = this.byte();
    const length = 0x88 - tag;
    if (length === 0) return 0n;
    if (length < 0 || length > 8) throw this.fail('ordered integer');
    return ((1n << BigInt(8 * length)) - 1n) ^ this.unsigned(length);
  }
}
