/*
 * A small reader of the SST formats that the fixtures have (LevelDB and RocksDB v2 footers, raw and Snappy blocks), so
 * that row tests do not need the native module.
 */

export interface SstEntry {
  /** Engine key: user key, 00, version. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function uvarint(bytes: Uint8Array, at: number): [number, number] {
  let value = 0;
  for (let shift = 0; ; shift++) {
    const byte = bytes[at++]!;
    value += (byte & 0x7f) * 128 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function unsnappy(input: Uint8Array): Uint8Array {
  let [size, at] = uvarint(input, 0);
  const out = new Uint8Array(size);
  let to = 0;
  while (at < input.length) {
    const tag = input[at++]!;
    if ((tag & 3) === 0) {
      let length = tag >> 2;
      if (length >= 60) {
        const extra = length - 59;
        length = 0;
        for (let i = 0; i < extra; i++) length += input[at + i]! * 256 ** i;
        at += extra;
      }
      length++;
      out.set(input.subarray(at, at + length), to);
      at += length;
      to += length;
      continue;
    }
    let length = (tag >> 2) + 1;
    let offset = 0;
    if ((tag & 3) === 1) {
      length = ((tag >> 2) & 7) + 4;
      offset = ((tag >> 5) << 8) + input[at++]!;
    } else {
      const width = (tag & 3) === 2 ? 2 : 4;
      for (let i = 0; i < width; i++) offset += input[at + i]! * 256 ** i;
      at += width;
    }
    for (let i = 0; i < length; i++, to++) out[to] = out[to - offset]!;
  }
  return out;
}

function block(file: Uint8Array, offset: number, size: number): Uint8Array {
  const payload = file.subarray(offset, offset + size);
  return file[offset + size] === 1 ? unsnappy(payload) : payload;
}

function* entries(data: Uint8Array): Generator<SstEntry> {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const restarts = view.getUint32(data.length - 4, true);
  const end = data.length - 4 - 4 * restarts;
  let key = new Uint8Array(0);
  for (let at = 0; at < end; ) {
    let shared: number;
    let unshared: number;
    let length: number;
    [shared, at] = uvarint(data, at);
    [unshared, at] = uvarint(data, at);
    [length, at] = uvarint(data, at);
    const next = new Uint8Array(shared + unshared);
    next.set(key.subarray(0, shared));
    next.set(data.subarray(at, at + unshared), shared);
    key = next;
    yield { key, value: data.subarray(at + unshared, at + unshared + length) };
    at += unshared + length;
  }
}

/** Every entry of a file, in order, with the internal 8-byte trailer removed. */
export function* readSst(file: Uint8Array): Generator<SstEntry> {
  const magic = Buffer.from(file.subarray(-8)).toString('hex');
  const footer = magic === '57fb808b247547db' ? file.length - 48 : file.length - 53 + 1;
  let at = footer;
  for (let i = 0; i < 2; i++) [, at] = uvarint(file, at);
  const [indexOffset, next] = uvarint(file, at);
  const [indexSize] = uvarint(file, next);
  for (const { value } of entries(block(file, indexOffset, indexSize))) {
    const [offset, after] = uvarint(value, 0);
    const [size] = uvarint(value, after);
    for (const entry of entries(block(file, offset, size))) {
      yield { key: entry.key.subarray(0, -8), value: entry.value };
    }
  }
}
