/**
 * Where things lie: square frames cut out of pictures, and glasses laid over two eyes.
 *
 * A picture is {width, height, pixels}: RGB, one byte a value, row by row. The frames and the pixel rule are those of
 * byod/tasks/keypoints/geometry/crops.py, where they are written down; both give the same bytes.
 */

const GREY = 127;
const FAR = 1e6; // beyond so many pixels a frame lies at no picture

/** A square of a picture: centre and side in pixels, turned clockwise (as seen) by `angle` radians. */
export class Frame {
  constructor(cx, cy, side, angle = 0, mirrored = false) {
    Object.assign(this, { cx, cy, side, angle, mirrored });
  }

  /** A point (0..1 of the frame) in pixels of the picture. */
  toPicture([unitX, unitY]) {
    const x = (unitX - 0.5) * this.side * (this.mirrored ? -1 : 1);
    const y = (unitY - 0.5) * this.side;
    const cos = Math.cos(this.angle);
    const sin = Math.sin(this.angle);
    return [this.cx + cos * x - sin * y, this.cy + sin * x + cos * y];
  }

  /** A point in pixels of the picture as a point of the frame: 0..1 within it. */
  toUnit([px, py]) {
    const dx = px - this.cx;
    const dy = py - this.cy;
    const cos = Math.cos(this.angle);
    const sin = Math.sin(this.angle);
    const x = (cos * dx + sin * dy) * (this.mirrored ? -1 : 1);
    return [x / this.side + 0.5, (cos * dy - sin * dx) / this.side + 0.5];
  }
}

/** The square around a whole picture: the letterbox in which objects are found. */
export function whole(width, height) {
  return new Frame(width / 2, height / 2, Math.max(width, height));
}

/** The upright square around a box (x0, y0, x1, y1), `margin` times its longer side wide. */
export function ofBox([x0, y0, x1, y1], margin = 1) {
  return new Frame((x0 + x1) / 2, (y0 + y1) / 2, margin * Math.max(x1 - x0, y1 - y0));
}

/** The frame in which two eyes are level; `rule` is {side, down} in distances of the eyes, as in the model card. */
export function ofEyes(left, right, rule, atLeast = 0) {
  const x = right[0] - left[0];
  const y = right[1] - left[1];
  const angle = Math.atan2(y, x);
  const apart = Math.max(Math.hypot(x, y), atLeast);
  const down = rule.down * apart;
  const cx = (left[0] + right[0]) / 2 - Math.sin(angle) * down;
  const cy = (left[1] + right[1]) / 2 + Math.cos(angle) * down;
  return new Frame(cx, cy, rule.side * apart, angle);
}

/** The frame's pixels: Uint8Array, size x size x 3. */
export function cut(picture, frame, size) {
  const factor = Math.max(1, Math.floor(frame.side / size));
  const places = placesOf(frame, size, factor);
  const columns = Math.ceil(picture.width / factor);
  const rows = Math.ceil(picture.height / factor);
  const part = reduced(picture, factor, partSeen(places, columns, rows));
  return mixed(part, places, size);
}

/** Where the cut's pixels lie in the reduced picture, in 256ths of its pixels. */
function placesOf(frame, size, factor) {
  const step = frame.side / size;
  const cos = Math.cos(frame.angle) * step;
  const sin = Math.sin(frame.angle) * step;
  const [ix, iy] = frame.mirrored ? [-cos, -sin] : [cos, sin];
  const [ox, oy] = frame.toPicture([0.5 / size, 0.5 / size]);
  const xs = new Int32Array(size * size);
  const ys = new Int32Array(size * size);
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) {
      xs[j * size + i] = fixed(ox / factor - 0.5 + i * (ix / factor) + j * (-sin / factor));
      ys[j * size + i] = fixed(oy / factor - 0.5 + i * (iy / factor) + j * (cos / factor));
    }
  }
  return { xs, ys };
}

function fixed(value) {
  return Math.floor(Math.min(Math.max(value, -FAR), FAR) * 256 + 0.5);
}

/** The part of the reduced picture that the places touch: [left, top, right, low]. */
function partSeen({ xs, ys }, columns, rows) {
  const [left, right] = extent(xs, columns);
  const [top, low] = extent(ys, rows);
  return [left, top, right, low];
}

function extent(places, end) {
  let least = end;
  let most = -2;
  for (const place of places) {
    const at = Math.min(Math.max(place >> 8, -2), end);
    least = Math.min(least, at);
    most = Math.max(most, at);
  }
  const first = Math.max(0, least);
  return [first, Math.max(first, Math.min(end, most + 2))];
}

/**
 * The means of blocks of factor x factor pixels (smaller at the right and lower edge), as Pillow's `Image.reduce` has
 * them; `part` is [left, top, right, low] in pixels of the result.
 */
export function reduced({ width, height, pixels }, factor, part = null) {
  const all = [0, 0, Math.ceil(width / factor), Math.ceil(height / factor)];
  const [left, top, right, low] = part ?? all;
  const out = new Uint8Array((right - left) * (low - top) * 3);
  let at = 0;
  for (let row = top; row < low; row++) {
    const y1 = Math.min((row + 1) * factor, height);
    for (let column = left; column < right; column++) {
      const x1 = Math.min((column + 1) * factor, width);
      const count = (y1 - row * factor) * (x1 - column * factor);
      const share = Math.floor(2 ** 24 / count);
      for (let channel = 0; channel < 3; channel++) {
        let sum = count >> 1;
        for (let y = row * factor; y < y1; y++) {
          const end = (y * width + x1) * 3;
          for (let p = (y * width + column * factor) * 3 + channel; p < end; p += 3) sum += pixels[p];
        }
        out[at++] = Math.floor((sum * share) / 2 ** 24); // below 2^53: a double holds it
      }
    }
  }
  return { left, top, width: right - left, height: low - top, pixels: out };
}

function mixed(part, { xs, ys }, size) {
  const out = new Uint8Array(size * size * 3);
  for (let place = 0; place < xs.length; place++) {
    const x0 = (xs[place] >> 8) - part.left;
    const y0 = (ys[place] >> 8) - part.top;
    const wx = xs[place] & 255;
    const wy = ys[place] & 255;
    for (let channel = 0; channel < 3; channel++) {
      const top = seen(part, x0, y0, channel) * (256 - wx) + seen(part, x0 + 1, y0, channel) * wx;
      const low = seen(part, x0, y0 + 1, channel) * (256 - wx) + seen(part, x0 + 1, y0 + 1, channel) * wx;
      out[place * 3 + channel] = (top * (256 - wy) + low * wy + 32768) >> 16;
    }
  }
  return out;
}

function seen(part, x, y, channel) {
  if (x < 0 || y < 0 || x >= part.width || y >= part.height) return GREY;
  return part.pixels[(y * part.width + x) * 3 + channel];
}

/**
 * The eyes of a head seen from the side lie almost on each other; glasses are never laid out for less than this share
 * of the head. Heads seen from the front have 0.24 (boxes with ears) to 0.6 (boxes around the face).
 */
const PROFILE = 0.24;

/**
 * How glasses lie on two eyes: the similarity z -> a z + b, as complex numbers, from the glasses' drawing to the picture.
 *
 * With the lens centres g1, g2 and the eyes e1, e2: a = (e2 - e1) / (g2 - g1), b = e1 - a g1. The eyes change places when
 * the mouth would lie above them in the glasses' own frame.
 *
 * @param {[[number, number], [number, number]]} eyes left and right (for the viewer), pixels of the picture
 * @param {[[number, number], [number, number]]} lenses the same of the drawing
 * @param {{mouth?: [number, number], box?: number[], size?: number}} more where the mouth is; the head's box (only for
 *   eyes that a model found: what a person placed is taken as it is); how large, 1 is as large as drawn
 * @returns {{a: [number, number], b: [number, number]}}
 */
export function placement(eyes, lenses, { mouth = null, box = null, size = 1 } = {}) {
  let [e1, e2] = eyes;
  const [g1, g2] = lenses;
  if (mouth && over(minus(mouth, e1), minus(e2, e1))[1] < 0) [e1, e2] = [e2, e1];
  let across = minus(e2, e1);
  const apart = Math.hypot(...across);
  if (apart === 0) across = sideways(e1, mouth);
  const wanted = box ? Math.max(apart, PROFILE * Math.max(box[2] - box[0], box[3] - box[1])) : apart;
  const scale = (apart === 0 ? wanted : wanted / apart) * size;
  const a = times(over(across, minus(g2, g1)), [scale, 0]);
  const middle = [(e1[0] + e2[0]) / 2, (e1[1] + e2[1]) / 2];
  const b = minus(middle, times(a, [(g1[0] + g2[0]) / 2, (g1[1] + g2[1]) / 2]));
  return { a, b };
}

/** Where a placement takes a point of the drawing. */
export function placed({ a, b }, point) {
  const turned = times(a, point);
  return [turned[0] + b[0], turned[1] + b[1]];
}

/** A placement as the six numbers of CanvasRenderingContext2D.setTransform. */
export function matrix({ a, b }) {
  return [a[0], a[1], -a[1], a[0], b[0], b[1]];
}

/** For two eyes on one spot: a unit across the line to the mouth, or level where no mouth is known. */
function sideways(eye, mouth) {
  const down = mouth ? minus(mouth, eye) : [0, 1];
  const length = Math.hypot(...down);
  return length === 0 ? [1, 0] : [down[1] / length, -down[0] / length];
}

function minus(p, q) {
  return [p[0] - q[0], p[1] - q[1]];
}

function times(p, q) {
  return [p[0] * q[0] - p[1] * q[1], p[0] * q[1] + p[1] * q[0]];
}

function over(p, q) {
  const square = q[0] * q[0] + q[1] * q[1];
  return [(p[0] * q[0] + p[1] * q[1]) / square, (p[1] * q[0] - p[0] * q[1]) / square];
}
