/**
 * Bringing a picture to the size of a net's input, as byod/images/resize.py does with Pillow: the same bytes from the same
 * bytes. A picture is {width, height, pixels}: RGB, one byte a value, row by row.
 *
 * The filter is Pillow's BILINEAR (src/libImaging/Resample.c): a triangle, widened when shrinking, over columns and then
 * over rows, weights in 22 bits, rounded to bytes between the passes.
 */

const GREY = 127;
const BITS = 22;

/** A picture by a card's input rule {width, height, resize: "squish" | "crop" | "pad", pixels: "whole" | "reduced"}. */
export function resized(picture, rule) {
  const { width, height } = rule;
  if (rule.pixels === "whole") return resizedWhole(picture, rule);
  if (rule.resize === "crop") return bilinear(picture, width, height, middlePart(picture, width / height));
  if (rule.resize === "pad") return padded(picture, width, height);
  if (rule.resize === "squish") return bilinear(picture, width, height);
  throw new Error(`unknown resize rule ${rule.resize}`);
}

/**
 * By the rule of today: parts of whole pixels, cut before and filled up after one resize, across first and then down; the
 * values are in the fractions they have.
 */
function resizedWhole(picture, { width, height, resize }) {
  if (resize === "squish") return acrossThenDown(picture, width, height);
  if (resize === "crop") {
    const wide = Math.min(picture.width, nearest(picture.height * width, height));
    const high = Math.min(picture.height, nearest(picture.width * height, width));
    return acrossThenDown(part(picture, wide, high), width, height);
  }
  if (resize !== "pad") throw new Error(`unknown resize rule ${resize}`);
  const across = Math.min(width, nearest(picture.width * height, picture.height));
  const down = Math.min(height, nearest(picture.height * width, picture.width));
  const place = [Math.floor((width - across) / 2), Math.floor((height - down) / 2)];
  return onGrey(acrossThenDown(picture, across, down), width, height, place);
}

/** In fractions, 0..255. */
function acrossThenDown({ width: wide, height: high, pixels }, width, height) {
  if (wide === width && high === height) return { width, height, pixels };
  const columns = shares(wide, width);
  const rows = shares(high, height);
  const across = new Float32Array(width * high * 3);
  for (let y = 0, at = 0; y < high; y++) {
    for (const { first, parts } of columns) at = shared(pixels, (y * wide + first) * 3, 3, parts, across, at);
  }
  const down = new Float32Array(width * height * 3);
  let at = 0;
  for (const { first, parts } of rows) {
    for (let x = 0; x < width; x++) at = shared(across, (first * width + x) * 3, width * 3, parts, down, at);
  }
  return { width, height, pixels: down };
}

/** For each of `size` values of a side of `end`: where its first source value lies, and the share of each. */
function shares(end, size) {
  const scale = end / size;
  const widened = Math.max(scale, 1);
  return Array.from({ length: size }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - widened + 0.5));
    const last = Math.min(end, Math.trunc(centre + widened + 0.5));
    const parts = [];
    for (let x = first; x < last; x++) parts.push(Math.max(0, 1 - Math.abs((x - centre + 0.5) / widened)));
    const total = parts.reduce((sum, part) => sum + part, 0);
    return { first, parts: parts.map((part) => part / total) };
  });
}

/** Writes one pixel in fractions: the sum of the shares of source pixels from `start` on, `step` values apart. */
function shared(values, start, step, parts, out, at) {
  let [red, green, blue] = [0, 0, 0];
  for (let k = 0, p = start; k < parts.length; k++, p += step) {
    red += values[p] * parts[k];
    green += values[p + 1] * parts[k];
    blue += values[p + 2] * parts[k];
  }
  out[at] = red;
  out[at + 1] = green;
  out[at + 2] = blue;
  return at + 3;
}

/** The part of so many pixels in the middle of a picture. */
function part(picture, width, height) {
  const [left, top] = [Math.floor((picture.width - width) / 2), Math.floor((picture.height - height) / 2)];
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y + top) * picture.width + left) * 3;
    pixels.set(picture.pixels.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, pixels };
}

/** The quotient as the nearest whole number, halves up, and at least 1. */
function nearest(number, by) {
  return Math.max(1, Math.floor((2 * number + by) / (2 * by)));
}

/** Pillow's Image.resize(size, BILINEAR, box); `box` is [left, top, right, low] in pixels. */
export function bilinear(picture, width, height, box = [0, 0, picture.width, picture.height]) {
  const [left, top, right, low] = box.map(Math.fround); // it is kept in single precision there
  const steps = [];
  if (width !== picture.width || left !== 0 || right !== width) {
    steps.push((made) => acrossed(made, weights(picture.width, left, right, width)));
  }
  if (height !== picture.height || top !== 0 || low !== height) {
    steps.push((made) => downed(made, weights(picture.height, top, low, height)));
  }
  const fewer = picture.height - height;
  if (fewer > 0 && fewer > 2 * (picture.width - width)) steps.reverse();
  return steps.reduce((made, step) => step(made), picture);
}

/** For each of `size` values: where its first source value lies, and the weights (whole numbers of 2^-22). */
function weights(end, from, to, size) {
  const scale = Math.fround(to - from) / size;
  const widened = Math.max(scale, 1);
  const rows = [];
  for (let at = 0; at < size; at++) {
    const centre = from + (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - widened + 0.5));
    const last = Math.min(end, Math.trunc(centre + widened + 0.5));
    const shares = [];
    let total = 0;
    for (let x = first; x < last; x++) {
      const share = Math.max(0, 1 - Math.abs((x - centre + 0.5) * (1 / widened)));
      shares.push(share);
      total += share;
    }
    const whole = shares.map((share) => Math.trunc(0.5 + (total ? share / total : share) * 2 ** BITS));
    rows.push({ first, whole });
  }
  return rows;
}

function acrossed({ width, height, pixels }, rows) {
  const out = new Uint8Array(rows.length * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { first, whole } of rows) at = summed(pixels, (y * width + first) * 3, 3, whole, out, at);
  }
  return { width: rows.length, height, pixels: out };
}

function downed({ width, pixels }, rows) {
  const out = new Uint8Array(width * rows.length * 3);
  let at = 0;
  for (const { first, whole } of rows) {
    for (let x = 0; x < width; x++) at = summed(pixels, (first * width + x) * 3, width * 3, whole, out, at);
  }
  return { width, height: rows.length, pixels: out };
}

/** Writes one pixel: the weighted sum of source pixels from `start` on, `step` bytes apart. */
function summed(pixels, start, step, whole, out, at) {
  let red = 2 ** (BITS - 1);
  let green = red;
  let blue = red;
  for (let k = 0, p = start; k < whole.length; k++, p += step) {
    red += pixels[p] * whole[k];
    green += pixels[p + 1] * whole[k];
    blue += pixels[p + 2] * whole[k];
  }
  out[at] = Math.min(255, red >> BITS);
  out[at + 1] = Math.min(255, green >> BITS);
  out[at + 2] = Math.min(255, blue >> BITS);
  return at + 3;
}

/** The largest part of an aspect (width / height) in the middle of a picture: ImageOps.fit's. */
function middlePart({ width, height }, aspect) {
  let [across, down] = [width, height];
  if (width / height > aspect) across = aspect * height;
  else if (width / height < aspect) down = width / aspect;
  const left = (width - across) * 0.5;
  const top = (height - down) * 0.5;
  return [left, top, left + across, top + down];
}

/** The whole picture fitted in, on grey: ImageOps.pad's. */
function padded(picture, width, height) {
  const own = picture.width / picture.height;
  let [across, down] = [width, height];
  if (own > width / height) down = halfToEven((picture.height / picture.width) * width);
  else if (own < width / height) across = halfToEven((picture.width / picture.height) * height);
  const empty = { width: 0, height: 0, pixels: new Uint8Array(0) };
  if (across === 0 || down === 0) return onGrey(empty, width, height, [0, 0]); // a line that shrinks to nothing
  const left = across !== width ? halfToEven((width - across) * 0.5) : 0;
  const top = across !== width ? 0 : halfToEven((height - down) * 0.5);
  return onGrey(bilinear(picture, across, down), width, height, [left, top]);
}

/** A picture on grey of so many pixels, at [left, top]. */
function onGrey(picture, width, height, [left, top]) {
  const pixels = new picture.pixels.constructor(width * height * 3).fill(GREY);
  for (let y = 0; y < picture.height; y++) {
    const row = picture.pixels.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
    pixels.set(row, ((y + top) * width + left) * 3);
  }
  return { width, height, pixels };
}

/** Python's round. */
export function halfToEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
