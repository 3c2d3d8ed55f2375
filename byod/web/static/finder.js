/** Finding objects and their points: the steps of byod/tasks/keypoints/predict.py, where they are written down. */

import { cut, ofBox, ofEyes, whole } from "./geometry.js";

const TOGETHER = 32; // objects shown to the net at one time

export class Finder {
  /**
   * @param threshold the least confidence of what is told; by default the model's
   * @param model its `finder`: {overlap, same, grid, profile, pair, threshold, margin, refine, eyes, heads_size, points_size}
   */
  constructor(nets, model, threshold = model.finder.threshold) {
    this.nets = nets;
    this.rule = { ...model.finder, threshold };
    this.names = model.points.names;
  }

  /** All objects in a picture {width, height, pixels}, the surest first. */
  async find(picture) {
    const found = await this.boxes(picture);
    const placed = await this.pointsIn(picture, found.map(({ box }) => ofBox(this.rounded(box), this.rule.margin)));
    const instances = found.map((instance, at) => ({ ...instance, ...placed[at], confidence: this.confidence(instance, placed[at]) }));
    return this.distinct(instances).map(({ confidence, box, points, sure }) => ({
      confidence,
      box,
      points: Object.fromEntries(this.names.map((name, at) => [name, points[at]])),
      point_confidence: Object.fromEntries(this.names.map((name, at) => [name, sure[at]])),
    }));
  }

  /** Steps 1 and 2: boxes in pixels of the picture with their scores, the best first. */
  async boxes(picture) {
    const { width, height } = picture;
    const frame = whole(width, height);
    const { boxes, scores } = await this.nets.heads.run([square(picture, frame, this.rule.heads_size)]);
    const within = (value, most) => Math.min(Math.max(real(value), 0), most);
    const all = Array.from(scores.data, (score, at) => {
      const [x0, y0, x1, y1] = boxes.data.subarray(at * 4, at * 4 + 4);
      const [first, last] = [frame.toPicture([x0, y0]), frame.toPicture([x1, y1])];
      const box = [within(first[0], width), within(first[1], height), within(last[0], width), within(last[1], height)];
      return { score: real(score), box };
    });
    const sure = all.filter(({ score, box }) => score >= this.rule.threshold && area(box) > 0);
    const kept = [];
    for (const instance of sure.sort((a, b) => b.score - a.score)) {
      if (kept.every((better) => overlap(instance.box, better.box) <= this.rule.overlap)) kept.push(instance);
    }
    return kept.map(({ score, box }) => ({ score: Math.min(1, score), box }));
  }

  /** Steps 3 and 4 for some frames: {points, sure} of each, points in pixels of the picture. */
  async pointsIn(picture, frames) {
    const placed = await this.once(picture, frames);
    const least = frames.map(({ side }) => (this.rule.profile * side) / this.rule.margin);
    const last = [...frames];
    for (let turn = 0; turn < (this.rule.eyes ? this.rule.refine : 0); turn++) {
      const upright = last.map((frame, at) => this.upright(frame, placed[at].points, least[at]));
      const changed = [...upright.keys()].filter((at) => upright[at] !== null);
      if (changed.length === 0) break;
      const anew = await this.once(picture, changed.map((at) => upright[at]));
      changed.forEach((at, place) => {
        last[at] = upright[at];
        placed[at] = anew[place];
      });
    }
    return placed;
  }

  async once(picture, frames) {
    const count = this.names.length;
    const placed = [];
    for (let from = 0; from < frames.length; from += TOGETHER) {
      const some = frames.slice(from, from + TOGETHER);
      const said = await this.nets.model.run(some.map((frame) => square(picture, frame, this.rule.points_size)));
      some.forEach((frame, at) => {
        const units = [...Array(count).keys()].map((point) => {
          const [x, y] = said.points.data.subarray((at * count + point) * 2);
          return [real(x, 0.5), real(y, 0.5)];
        });
        const sure = [...said.confidence.data.subarray(at * count, (at + 1) * count)];
        placed.push({
          points: units.map((unit) => frame.toPicture(unit)),
          sure: sure.map((value) => Math.min(Math.max(real(value), 0), 1)),
        });
      });
    }
    return placed;
  }

  /** The next frame of an object; null where the eyes cannot be right. */
  upright(frame, points, least) {
    const [left, right] = this.rule.pair.map((at) => points[at]);
    const unit = frame.toUnit(middle(left, right));
    if (!unit.every((value) => value >= 0 && value <= 1)) return null;
    return ofEyes(this.rounded(left), this.rounded(right), this.rule.eyes, least);
  }

  /** Places on the grid of frames. */
  rounded(values) {
    const { grid } = this.rule;
    return values.map((value) => Math.floor(grid * value + 0.5) / grid);
  }

  /** The numbers of the points that stand for an object: its eyes, or all where there are none. */
  get seen() {
    return this.rule.pair ?? [...this.names.keys()];
  }

  /** Step 5: both nets have to see an object. */
  confidence({ score }, { sure }) {
    return score * mean(this.seen.map((at) => sure[at]));
  }

  /** Steps 5 and 6: the objects to keep, the best first. */
  distinct(instances) {
    const sure = instances.filter(({ confidence }) => confidence >= this.rule.threshold);
    const kept = [];
    for (const instance of sure.sort((a, b) => b.confidence - a.confidence)) {
      const points = this.seen.map((point) => instance.points[point]);
      const at = [0, 1].map((axis) => mean(points.map((point) => point[axis])));
      const far = ({ at: other, box }) => Math.hypot(at[0] - other[0], at[1] - other[1]) >= this.rule.same * longer(box);
      if (kept.every(far)) kept.push({ ...instance, at });
    }
    return kept;
  }
}

function square(picture, frame, size) {
  return { width: size, height: size, pixels: cut(picture, frame, size) };
}

function middle(left, right) {
  return [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function real(value, otherwise = 0) {
  return Number.isNaN(value) ? otherwise : value;
}

function area([x0, y0, x1, y1]) {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

function longer([x0, y0, x1, y1]) {
  return Math.max(x1 - x0, y1 - y0);
}

/** Intersection over union of two boxes, 0..1. */
function overlap(one, other) {
  const shared = area([
    Math.max(one[0], other[0]),
    Math.max(one[1], other[1]),
    Math.min(one[2], other[2]),
    Math.min(one[3], other[3]),
  ]);
  const both = area(one) + area(other) - shared;
  return both > 0 ? shared / both : 0;
}
