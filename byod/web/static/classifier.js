/** What a picture shows, and what the net looked at: byod/tasks/classify/predict.py and byod/tasks/classify/report/saliency.py again. */

import { halfToEven, resized } from "./resize.js";

const PLACES = 7; // across, and as many down
const TOGETHER = 7; // pictures shown to the net at one time
const CLEAR = 0.25; // a change of the log-odds below this is nothing to point out
const FOR = [232, 89, 12];
const AGAINST = [28, 126, 214];
const VEIL = 56;
const SPREAD = 1.5; // how far the veil is smoothed, in its pixels

/** What the net says of a picture {width, height, pixels}. */
export async function classified(picture, model, net) {
  const said = await net.run([resized(picture, model.input)]);
  const chances = [...said.probabilities.data];
  const best = chances.indexOf(Math.max(...chances));
  const typicality = model.typicality ? said.typicality.data[0] : null;
  return {
    label: model.classes[best],
    probability: chances[best],
    probabilities: Object.fromEntries(model.classes.map((label, at) => [label, chances[at]])),
    unsure: chances[best] < model.unsure_below,
    typicality,
    none_of_these: model.typicality ? typicality < model.typicality.threshold : null,
  };
}

/**
 * What it looked at: the picture is covered in 49 places in turn. {label, veil, area, least, clear} as the server says it,
 * the veil as {width, height, values}. `stopped` is asked between some places and the next.
 */
export async function seen(picture, model, net, stopped = () => false) {
  const small = resized(picture, model.input);
  const places = coverings(small);
  const tone = [0, 1, 2].map((channel) => halfToEven(mean(small.pixels, channel)));
  const [whole] = await chancesOf([small], net);
  const which = whole.indexOf(Math.max(...whole));
  const covered = [];
  for (let from = 0; from < places.length; from += TOGETHER) {
    const some = places.slice(from, from + TOGETHER).map((place) => coveredAt(small, place, tone));
    covered.push(...(await chancesOf(some, net)).map((chances) => chances[which]));
    await new Promise((resolve) => setTimeout(resolve)); // so that word of stopping comes in
    if (stopped()) throw new Error("stopped");
  }
  const before = odds(whole[which]);
  const fall = covered.map((chance) => before - odds(chance));
  return {
    label: model.classes[which],
    veil: veil(fall, places, small),
    area: areaOf(model.input, picture),
    least: Math.min(...covered.map(bounded)),
    clear: Math.max(...fall.map(Math.abs)) >= CLEAR,
  };
}

async function chancesOf(pictures, net) {
  const { data } = (await net.run(pictures)).probabilities;
  const count = data.length / pictures.length;
  return pictures.map((_, at) => [...data.subarray(at * count, (at + 1) * count)]);
}

/** [left, top, right, low] of the places that are covered: a quarter of a side each, overlapping. */
function coverings({ width, height }) {
  const edges = (side) => {
    const patch = Math.max(1, Math.floor(side / 4));
    const starts = [...Array(PLACES).keys()].map((at) => halfToEven((at * (side - patch)) / (PLACES - 1)));
    return starts.map((start) => [start, start + patch]);
  };
  return edges(height).flatMap(([top, low]) => edges(width).map(([left, right]) => [left, top, right, low]));
}

function coveredAt({ width, height, pixels }, [left, top, right, low], tone) {
  const made = pixels.slice();
  for (let y = top; y < low; y++) {
    for (let x = left; x < right; x++) made.set(tone, (y * width + x) * 3);
  }
  return { width, height, pixels: made };
}

function mean(pixels, channel) {
  let sum = 0;
  for (let at = channel; at < pixels.length; at += 3) sum += pixels[at];
  return sum / (pixels.length / 3);
}

function bounded(chance) {
  return Math.min(Math.max(chance, 1e-6), 1 - 1e-6);
}

function odds(chance) {
  return Math.log(bounded(chance) / (1 - bounded(chance)));
}

/** See-through colour: warm where covering took certainty away, cold where it gave some. */
function veil(fall, places, { width, height }) {
  const strength = smoothed(smoothed(meansOf(fall, places, width, height), 1), VEIL);
  const most = Math.max(...strength.map(Math.abs), CLEAR);
  const values = new Uint8ClampedArray(VEIL * VEIL * 4);
  strength.forEach((value, at) => {
    values.set([...(value > 0 ? FOR : AGAINST), 200 * Math.abs(value / most) ** 1.5], at * 4);
  });
  return { width: VEIL, height: VEIL, values };
}

/** For each pixel of the veil: the mean change of the places that cover its middle. */
function meansOf(fall, places, width, height) {
  return [...Array(VEIL * VEIL).keys()].map((at) => {
    const x = (((at % VEIL) + 0.5) * width) / VEIL;
    const y = ((Math.floor(at / VEIL) + 0.5) * height) / VEIL;
    const over = fall.filter((_, n) => x >= places[n][0] && x < places[n][2] && y >= places[n][1] && y < places[n][3]);
    return over.reduce((sum, change) => sum + change, 0) / Math.max(over.length, 1);
  });
}

/** Smoothed along one axis, whose neighbours are `step` apart. */
function smoothed(values, step) {
  const reach = Math.ceil(3 * SPREAD);
  return values.map((_, at) => {
    const place = Math.floor(at / step) % VEIL;
    let [sum, total] = [0, 0];
    for (let away = -reach; away <= reach; away++) {
      if (place + away < 0 || place + away >= VEIL) continue;
      const share = Math.exp(-(away ** 2) / (2 * SPREAD ** 2));
      sum += share * values[at + away * step];
      total += share;
    }
    return sum / total;
  });
}

/** The box of a picture that the net's input shows; `pad` shows more than it. */
function areaOf(rule, { width, height }) {
  if (rule.resize === "squish") return [0, 0, width, height];
  const [across, down] = [width / rule.width, height / rule.height];
  const scale = rule.resize === "crop" ? Math.min(across, down) : Math.max(across, down);
  const [halfWidth, halfHeight] = [(scale * rule.width) / 2, (scale * rule.height) / 2];
  return [width / 2 - halfWidth, height / 2 - halfHeight, width / 2 + halfWidth, height / 2 + halfHeight];
}
