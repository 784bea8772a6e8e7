/** Bytewise comparison: negative, zero or positive; a proper prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** True when both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** True when `bytes` begins with `prefix`. */
export function hasPrefix(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && Buffer.compare(bytes.subarray(0, prefix.length), prefix) === 0;
}

/** Joins byte strings into a new buffer. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** The smallest key greater than every key that begins with `prefix`; MaxKey (ff ff) when there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let index = prefix.length - 1; index >= 0; index--) {
    const byte = prefix[index]!;
    if (byte !== 0xff) {
      const end = Uint8Array.prototype.slice.call(prefix, 0, index + 1);
      end[index] = byte + 1;
      return end;
    }
  }
  return Uint8Array.of(0xff, 0xff);
}

/** The smallest key greater than `key`: `key` and a zero byte. */
export function nextKey(key: Uint8Array): Uint8Array {
  return concatBytes(key, Uint8Array.of(0));
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Bytes of a hexadecimal string; white space and dots are ignored so that test vectors read well. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/[\s.]/g, ''), 'hex'));
}

/** A key for messages: printable ASCII as it is, the rest as \xNN, cut at `limit` bytes. */
export function printKey(key: Uint8Array, limit = 64): string {
  let text = '';
  for (const byte of key.subarray(0, limit)) {
    text +=
      byte > 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return key.length > limit ? `${text}…(${key.length} bytes)` : text;
}

/** A UUID's 16 bytes as people read it; bytes of any other length as plain hex. */
export function printUuid(id: Uint8Array): string {
  const hex = toHex(id);
  return id.length === 16 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : hex;
}
