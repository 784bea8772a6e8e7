/**
 * FNV-1 of 64 bits (multiply, then XOR) held in two 32-bit halves: BigInt would be thirty times slower. The prime is
 * 2^40 + 0x1b3, so a step needs the small product of both halves and one shift; the low half is multiplied in two
 * 16-bit pieces so that everything stays an integer of the machine.
 */
export class Fnv64 {
  high = 0;
  low = 0;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.high = 0xcbf29ce4 | 0;
    this.low = 0x84222325 | 0;
  }

  bytes(data: Uint8Array): void {
    let { high, low } = this;
    for (let index = 0; index < data.length; index++) {
      const small = (low & 0xffff) * 0x1b3;
      const large = (low >>> 16) * 0x1b3 + (small >>> 16);
      high = (Math.imul(high, 0x1b3) + (large >>> 16) + (low << 8)) | 0;
      low = ((large << 16) | (small & 0xffff)) ^ data[index]!;
    }
    this.high = high;
    this.low = low;
  }

  /** Hashes text as UTF-8; ASCII is read straight from the string. */
  text(text: string): void {
    let { high, low } = this;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        this.high = high;
        this.low = low;
        this.bytes(Buffer.from(text.slice(index)));
        return;
      }
      const small = (low & 0xffff) * 0x1b3;
      const large = (low >>> 16) * 0x1b3 + (small >>> 16);
      high = (Math.imul(high, 0x1b3) + (large >>> 16) + (low << 8)) | 0;
      low = ((large << 16) | (small & 0xffff)) ^ code;
    }
    this.high = high;
    this.low = low;
  }
}
