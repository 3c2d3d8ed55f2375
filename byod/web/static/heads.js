/** The heads of a picture, as a model found them and as a person corrected them; all in pixels of the picture. */

/** Which of a point set's names are the eyes (left and right for the viewer) and the mouth; null where there are none. */
export function roles({ names = [], flips = [] }) {
  const words = (name) => name.toLowerCase().split(/[^a-z]+/);
  const pair = flips.find((two) => two.every((name) => words(name).includes("eye")));
  const mouth = names.find((name) => words(name).includes("mouth")) ?? null;
  if (!pair) return { left: null, right: null, mouth };
  const [a, b] = words(pair[0]).includes("left") ? pair : [pair[1], pair[0]];
  // a side is the viewer's where the name says so, else the animal's own
  return words(a).includes("image") ? { left: a, right: b, mouth } : { left: b, right: a, mouth };
}

/** One head: its points by name, [x, y] in pixels. `byHand`: a person placed an eye. */
export class Head {
  constructor(parts, points, { box = null, confidence = null, byHand = false } = {}) {
    Object.assign(this, { parts, points, box, confidence, byHand });
  }

  /** Left and right eye, or null where the model has no eyes. */
  get eyes() {
    const two = [this.points[this.parts.left], this.points[this.parts.right]];
    return two.every(Boolean) ? two : null;
  }

  get mouth() {
    return this.byHand ? null : (this.points[this.parts.mouth] ?? null);
  }

  /** All of it as plain values, and a head of such. */
  state() {
    return { points: { ...this.points }, box: this.box, confidence: this.confidence, byHand: this.byHand };
  }

  static of(parts, { points, ...more }) {
    return new Head(parts, { ...points }, more);
  }

  move(name, place) {
    this.points[name] = place;
    if (name === this.parts.left || name === this.parts.right) this.byHand = true;
  }
}

/** The heads of a prediction, in pixels of a picture `width` wide (the model may have seen a smaller one). */
export function found(said, parts, width) {
  const scale = width / said.width;
  return said.heads.map(
    ({ points, box, confidence }) =>
      new Head(parts, mapped(points, ([x, y]) => [x * scale, y * scale]), {
        box: box.map((value) => value * scale),
        confidence,
      }),
  );
}

/** A head somebody adds: two eyes in the middle of the picture. */
export function added(parts, width, height) {
  const apart = Math.min(width, height) / 5;
  const points = {
    [parts.left]: [width / 2 - apart / 2, height / 2],
    [parts.right]: [width / 2 + apart / 2, height / 2],
  };
  return new Head(parts, points, { byHand: true });
}

/**
 * What is true of a picture once somebody looked at it, in pixels of the picture made `scale` times as large. A point
 * nobody was shown is null: it is the model's guess, and must not be taught back to it.
 */
export function truth(heads, names, shown, scale) {
  const place = (name, head) => (shown.includes(name) ? head.points[name]?.map((value) => value * scale) ?? null : null);
  return heads.map((head) => ({ points: Object.fromEntries(names.map((name) => [name, place(name, head)])), box: null }));
}

function mapped(record, change) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
