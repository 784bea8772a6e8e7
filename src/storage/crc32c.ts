/** A CRC-32C as S3 and Google Cloud Storage write it: base64 of four bytes, big end first. */
export function crcText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}
