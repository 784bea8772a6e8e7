/**
 * FNV-1 of 64 bits (multiply, then XOR) held in two 32-bit halves: BigInt would be thirty times slower. The prime is
 * 2^40 + 0x1b3, so a step needs one small product per half and one shift.
 */
export class Fnv64 {
  high = 0;
  low = 0;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.high = 0xcbf29ce4;
    this.low = 0x84222325;
  }

  bytes(data: Uint8Array): void {
    let { high, low } = this;
    for (let index = 0; index < data.length; index++) {
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 4294967296) + (low << 8)) >>> 0;
      low = ((product >>> 0) ^ data[index]!) >>> 0;
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
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 4294967296) + (low << 8)) >>> 0;
      low = ((product >>> 0) ^ code) >>> 0;
    }
    this.high = high;
    this.low = low;
  }
}
