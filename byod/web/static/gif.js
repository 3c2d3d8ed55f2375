/**
 * A small writer of animated GIFs: GIF89a with one palette for all frames (median cut), a fixed pattern against banding,
 * and only what changes in each frame. https://www.w3.org/Graphics/GIF/spec-gif89a.txt
 */

const COLOURS = 255; // and one that is see-through
const CLEAR = 255;
const SPREAD = 10; // levels between the darkest and the lightest spot of the pattern
const SAMPLES = 20000;
const PATTERN = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // Bayer's, 4 x 4

/**
 * @param {number} width
 * @param {number} height
 * @param {{rgba: Uint8ClampedArray, hundredths: number}[]} frames opaque pixels, and how long each is shown
 * @param {(done: number) => (void | Promise<void>)} progress is told the share done (0..1) after each frame
 * @returns {Promise<Uint8Array>} the file; it runs for ever
 */
export async function encode(width, height, frames, progress = () => {}) {
  const file = new Bytes();
  const palette = medianCut(sampled(frames), COLOURS);
  file.text("GIF89a").short(width).short(height).bytes(0xf7, 0, 0); // a palette of 256 colours, 8 bits a value
  for (let i = 0; i < 256; i++) file.bytes(...(palette[i] ?? [0, 0, 0]));
  file.bytes(0x21, 0xff, 11).text("NETSCAPE2.0").bytes(3, 1, 0, 0, 0);
  const nearest = nearestIn(palette);
  let before = null;
  for (const [number, frame] of frames.entries()) {
    const part = changed(frame.rgba, before, width, height);
    file.bytes(0x21, 0xf9, 4, 0x05).short(frame.hundredths).bytes(CLEAR, 0); // stays; has a see-through colour
    file.bytes(0x2c).short(part.left).short(part.top).short(part.width).short(part.height).bytes(0);
    compress(indexed(frame.rgba, before, width, part, nearest), file);
    before = frame.rgba;
    await progress((number + 1) / frames.length);
  }
  return file.bytes(0x3b).whole();
}

class Bytes {
  constructor() {
    this.buffer = new Uint8Array(65536);
    this.length = 0;
  }

  bytes(...values) {
    return this.all(values);
  }

  all(values) {
    if (this.length + values.length > this.buffer.length) {
      const larger = new Uint8Array(2 * (this.length + values.length));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer.set(values, this.length);
    this.length += values.length;
    return this;
  }

  short(value) {
    return this.bytes(value & 255, value >> 8);
  }

  text(words) {
    return this.all(Uint8Array.from(words, (letter) => letter.charCodeAt(0)));
  }

  whole() {
    return this.buffer.slice(0, this.length);
  }
}

/** Pixels from all frames, evenly: Uint8Array of RGB. */
function sampled(frames) {
  const count = frames.reduce((sum, frame) => sum + frame.rgba.length / 4, 0);
  const step = Math.max(1, Math.floor(count / SAMPLES));
  const found = [];
  let next = 0;
  for (const { rgba } of frames) {
    for (; next < rgba.length / 4; next += step) found.push(...rgba.subarray(next * 4, next * 4 + 3));
    next -= rgba.length / 4;
  }
  return Uint8Array.from(found);
}

/** At most `most` colours for RGB values: boxes of colours are halved at their median, the widest first. */
function medianCut(rgb, most) {
  const boxes = [boxOf(rgb, Uint32Array.from({ length: rgb.length / 3 }, (_, i) => i * 3))];
  while (boxes.length < most) {
    const widest = boxes.reduce((a, b) => (b.worth > a.worth ? b : a));
    if (widest.worth === 0) break;
    boxes.splice(boxes.indexOf(widest), 1, ...halves(rgb, widest));
  }
  return boxes.map(({ places }) =>
    [0, 1, 2].map((c) => Math.round(places.reduce((sum, p) => sum + rgb[p + c], 0) / places.length)),
  );
}

function boxOf(rgb, places) {
  let [channel, range] = [0, -1];
  for (let c = 0; c < 3; c++) {
    let [low, high] = [255, 0];
    for (const place of places) {
      low = Math.min(low, rgb[place + c]);
      high = Math.max(high, rgb[place + c]);
    }
    if (high - low > range) [channel, range] = [c, high - low];
  }
  return { places, channel, worth: range <= 0 ? 0 : range * Math.sqrt(places.length) };
}

/** A box cut where its widest channel has its median, or beside it: neither half is empty. */
function halves(rgb, { places, channel }) {
  const sorted = places.slice().sort((p, q) => rgb[p + channel] - rgb[q + channel]);
  const value = (i) => rgb[sorted[i] + channel];
  let middle = sorted.length >> 1;
  while (middle > 0 && value(middle - 1) === value(middle)) middle--;
  if (middle === 0) while (value(middle) === value(0)) middle++;
  return [boxOf(rgb, sorted.slice(0, middle)), boxOf(rgb, sorted.slice(middle))];
}

/** A function from a colour to its nearest in a palette; colours that agree in 6 bits a channel are looked up once. */
function nearestIn(palette) {
  const known = new Int16Array(1 << 18).fill(-1);
  return (red, green, blue) => {
    const key = ((red >> 2) << 12) | ((green >> 2) << 6) | (blue >> 2);
    if (known[key] < 0) known[key] = searched(palette, red, green, blue);
    return known[key];
  };
}

function searched(palette, red, green, blue) {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < palette.length; i++) {
    const [r, g, b] = palette[i];
    const distance = 2 * (r - red) ** 2 + 4 * (g - green) ** 2 + 3 * (b - blue) ** 2; // the eye sees green best
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

/** The rectangle in which two frames differ (the first: all of it); one pixel where they do not. */
function changed(now, before, width, height) {
  if (!before) return { left: 0, top: 0, width, height };
  let [left, top, right, low] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      if (same(now, before, at)) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      low = y;
    }
  }
  if (right < 0) return { left: 0, top: 0, width: 1, height: 1 };
  return { left, top, width: right - left + 1, height: low - top + 1 };
}

function same(now, before, at) {
  return now[at] === before[at] && now[at + 1] === before[at + 1] && now[at + 2] === before[at + 2];
}

function indexed(now, before, width, part, nearest) {
  const out = new Uint8Array(part.width * part.height);
  const level = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);
  for (let y = part.top, to = 0; y < part.top + part.height; y++) {
    for (let x = part.left; x < part.left + part.width; x++, to++) {
      const at = (y * width + x) * 4;
      if (before && same(now, before, at)) {
        out[to] = CLEAR;
        continue;
      }
      // the pattern belongs to the place, so that what stands still does not flicker
      const shift = Math.round((PATTERN[(y & 3) * 4 + (x & 3)] / 15 - 0.5) * SPREAD);
      out[to] = nearest(level(now[at] + shift), level(now[at + 1] + shift), level(now[at + 2] + shift));
    }
  }
  return out;
}

/** GIF's LZW: codes of 9 to 12 bits, lowest bit first, in blocks of at most 255 bytes. */
function compress(indexes, file) {
  const [start, end] = [256, 257];
  const known = new Uint16Array(4096 * 256); // [code so far, next index] -> longer code; 0: none
  let [next, size, code] = [258, 9, indexes[0]];
  const bits = new Bits();
  bits.put(start, size);
  for (let i = 1; i < indexes.length; i++) {
    const place = code * 256 + indexes[i];
    if (known[place]) {
      code = known[place];
      continue;
    }
    bits.put(code, size);
    code = indexes[i];
    if (next === 4096) {
      bits.put(start, size);
      known.fill(0);
      [next, size] = [258, 9];
      continue;
    }
    known[place] = next;
    if (next === 1 << size) size++; // the decoder learns this code one step later
    next++;
  }
  bits.put(code, size);
  if (next === 1 << size && size < 12) size++;
  bits.put(end, size);
  const packed = bits.whole();
  file.bytes(8);
  for (let at = 0; at < packed.length; at += 255) {
    const block = packed.subarray(at, at + 255);
    file.bytes(block.length).all(block);
  }
  file.bytes(0);
}

class Bits {
  constructor() {
    this.file = new Bytes();
    this.waiting = 0;
    this.count = 0;
  }

  put(code, size) {
    this.waiting |= code << this.count;
    this.count += size;
    while (this.count >= 8) {
      this.file.bytes(this.waiting & 255);
      this.waiting >>= 8;
      this.count -= 8;
    }
  }

  whole() {
    if (this.count > 0) this.file.bytes(this.waiting & 255);
    return this.file.whole();
  }
}
