/** A picture with its points as a file for a dataset: unpacked in its folder, it is there for the next training. */

import { zipped } from "./zip.js";

/**
 * A zip of images/<label>/<name> and points/<name>.json (docs/formats.md).
 *
 * @param {{file: Blob, width: number, height: number}} picture as pictures.js opens it
 * @param {object[]} heads as heads.js says what is true of them
 * @param {string} label the class folder
 */
export async function kept({ file, width, height }, heads, label) {
  const content = new Uint8Array(await file.arrayBuffer());
  const name = (file.name || "picture.jpg").replace(/[\\/:*?"<>|\p{Cc}]/gu, "_");
  const inside = ([x, y]) => x >= 0 && y >= 0 && x < width && y < height;
  const point = (at) => at && { x: at[0], y: at[1], inside: inside(at) };
  const named = heads.map(({ points, box }) => ({
    points: Object.fromEntries(Object.entries(points).map(([each, at]) => [each, point(at)])),
    box,
  }));
  const told = { format: 1, sha256: await sha256(content), width, height, heads: named };
  const stem = name.replace(/\.[^.]*$/, "");
  return zipped({
    [`images/${label}/${name}`]: content,
    [`points/${stem}.json`]: new TextEncoder().encode(`${JSON.stringify(told, null, 1)}\n`),
  });
}

/** In hexadecimal digits; null where a browser hashes nothing, which is on pages that came over plain http. */
async function sha256(content) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
