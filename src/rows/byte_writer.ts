const U64_MASK = 2n ** 64n - 1n;

/** A growing byte buffer with CockroachDB's integer encodings; reused by calling `reset`. */
export class ByteWriter {
  #bytes: Buffer;
  length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.view());
  }

  /** What was written since `start`, without a copy; valid until the next write. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.length);
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + more));
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  u32be(value: number): void {
    this.#reserve(4);
    this.#bytes.writeUInt32BE(value >>> 0, this.length);
    this.length += 4;
  }

  /** Sets the four bytes at `at`, which must have been written. */
  patchU32be(at: number, value: number): void {
    this.#bytes.writeUInt32BE(value >>> 0, at);
  }

  u64be(value: bigint): void {
    this.#reserve(8);
    this.#bytes.writeBigUInt64BE(value & U64_MASK, this.length);
    this.length += 8;
  }

  f64be(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleBE(value, this.length);
    this.length += 8;
  }

  /** NSU: most significant group first. */
  nsu(value: number): void {
    let groups = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) groups++;
    for (let index = groups - 1; index >= 0; index--) {
      const group = Math.floor(value / 128 ** index) % 128;
      this.byte(index === 0 ? group : group | 0x80);
    }
  }

  /** NSU(length) and the UTF-8 bytes of `text`. */
  sizedText(text: string): void {
    this.#reserve(3 * text.length + 9);
    const at = this.length;
    const size = this.#bytes.write(text, at + 1, 'utf8');
    if (size < 128) {
      this.#bytes[at] = size;
      this.length = at + 1 + size;
      return;
    }
    this.nsu(size);
    this.#bytes.write(text, this.length, 'utf8');
    this.length += size;
  }

  /** Zigzag little-endian base-128. */
  svarint(value: bigint): void {
    if (value >= -0x40000000n && value < 0x40000000n) {
      const small = Number(value);
      let zigzag = (small << 1) ^ (small >> 31);
      for (; zigzag >= 0x80; zigzag >>>= 7) this.byte((zigzag & 0x7f) | 0x80);
      this.byte(zigzag);
      return;
    }
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  /** The low `length` bytes of `value`, big-endian. */
  bigEndian(value: bigint, length: number): void {
    if (length === 8) {
      this.u64be(value);
      return;
    }
    for (let shift = 8 * (length - 1); shift >= 0; shift -= 8) this.byte(Number((value >> BigInt(shift)) & 0xffn));
  }

  /** UVA: ordered unsigned integer (crdb-format.md 5.1). */
  uvarint(value: bigint): void {
    if (value <= 109n) {
      this.byte(0x88 + Number(value));
      return;
    }
    const length = byteLength(value);
    this.byte(0xf5 + length);
    this.bigEndian(value, length);
  }

  /** UVD: descending unsigned integer. */
  uvarintDescending(value: bigint): void {
    const length = value === 0n ? 0 : byteLength(value);
    this.byte(0x88 - length);
    if (length > 0) this.bigEndian(value ^ U64_MASK, length);
  }

  /** VA: ordered signed integer. */
  varint(value: bigint): void {
    if (value >= 0n) {
      this.uvarint(value);
      return;
    }
    let length = 1;
    while (length < 8 && value < -((1n << BigInt(8 * length)) - 1n)) length++;
    this.byte(0x88 - length);
    this.bigEndian(value & U64_MASK, length);
  }
}

function byteLength(value: bigint): number {
  let length = 1;
  while (length < 8 && value >> BigInt(8 * length) > 0n) length++;
  return length;
}
