const INT_ZERO = 0x88;

/**
 * The part of a SQL key that all column families of its row share: the key without its family suffix (crdb-format.md
 * 5.3: the last byte minus 0x88 is the number of family-id bytes before it). A key with no such suffix is its own row.
 * A file or a range may be cut at this key and nowhere inside the row.
 */
export function rowPrefix(userKey: Uint8Array): Uint8Array {
  const last = userKey.at(-1);
  if (last === undefined || last < INT_ZERO) return userKey;
  const familyBytes = last - INT_ZERO;
  const end = userKey.length - 1 - familyBytes;
  // The table id, the index id and at least one byte must remain, else this is a bare index prefix.
  return familyBytes <= 9 && end >= 2 ? userKey.subarray(0, end) : userKey;
}
