/** Putting glasses into a picture, at any size: one similarity a pair, straight onto the canvas, so no border cuts them. */

import { HEIGHT, LENSES, WIDTH } from "./glasses.js";
import { matrix, placed, placement } from "./geometry.js";

/**
 * @param {CanvasRenderingContext2D} context of a canvas `scale` times as large as the picture
 * @param {number} scale
 * @param {object[]} heads as heads.js has them, in pixels of the picture
 * @param {{drawing: {frame: CanvasImageSource, lenses: CanvasImageSource}, size: number, strength: number}} look
 * @param {(lies: object) => number} lift how far above its place each pair hangs, in pixels of the picture
 */
export function drawGlasses(context, scale, heads, look, lift = () => 0) {
  context.save();
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  for (const head of heads) {
    if (!head.eyes) continue;
    const lies = lying(head, look.size);
    const six = matrix(lies).map((number) => number * scale);
    context.setTransform(...six.slice(0, 5), six[5] - lift(lies) * scale);
    context.globalAlpha = look.strength;
    context.drawImage(look.drawing.lenses, 0, 0, WIDTH, HEIGHT);
    context.globalAlpha = 1;
    context.drawImage(look.drawing.frame, 0, 0, WIDTH, HEIGHT);
  }
  context.restore();
}

/** The placement of a head's glasses. */
export function lying(head, size) {
  return placement(head.eyes, LENSES, { mouth: head.mouth, box: head.byHand ? null : head.box, size });
}

/** How far glasses have to rise to be out of the picture, in its pixels. */
export function rise(lies) {
  const corners = [[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]];
  return Math.max(0, ...corners.map((corner) => placed(lies, corner)[1]));
}
