/** Files in one: a zip without compression (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3). */

const VERSION = 20;
const UTF8 = 0x0800; // names are in UTF-8
const DAY = (1 << 5) | 1; // the first of January 1980: nobody is told when

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** A zip of {name: bytes}, as a Blob. */
export function zipped(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const bytes = new TextEncoder().encode(name);
    const about = [VERSION, UTF8, 0, 0, DAY, ...words(crc32(content)), ...words(content.length), ...words(content.length), bytes.length, 0];
    const local = record(0x04034b50, about);
    directory.push(record(0x02014b50, [VERSION, ...about, 0, 0, 0, 0, 0, ...words(at)]), bytes);
    parts.push(local, bytes, content);
    at += local.length + bytes.length + content.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const count = Object.keys(files).length;
  const end = record(0x06054b50, [0, 0, count, count, ...words(size), ...words(at), 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** A signature, and numbers of 16 bits, the lower byte first. */
function record(signature, numbers) {
  const bytes = new Uint8Array(4 + 2 * numbers.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  numbers.forEach((number, place) => view.setUint16(4 + 2 * place, number, true));
  return bytes;
}

/** A number of 32 bits as two of 16. */
function words(number) {
  return [number & 0xffff, number >>> 16];
}

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}
