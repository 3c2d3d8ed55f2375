/** "Deal with it": the glasses come down from above the picture; on the page, and as a GIF. */

import { drawGlasses, rise } from "./drawing.js";
import { encode } from "./gif.js";

const LARGEST = 480; // pixels of the GIF's longer side
const STEPS = 22;
const STEP = 6; // hundredths of a second
const PAUSE = 50;
const HOLD = 250;

const LETTERS = {
  D: ["1111.", "1...1", "1...1", "1...1", "1...1", "1...1", "1111."],
  E: ["11111", "1....", "1....", "1111.", "1....", "1....", "11111"],
  A: [".111.", "1...1", "1...1", "11111", "1...1", "1...1", "1...1"],
  L: ["1....", "1....", "1....", "1....", "1....", "1....", "11111"],
  W: ["1...1", "1...1", "1...1", "1.1.1", "1.1.1", "11.11", "1...1"],
  I: ["111", ".1.", ".1.", ".1.", ".1.", ".1.", "111"],
  T: ["11111", "..1..", "..1..", "..1..", "..1..", "..1..", "..1.."],
  H: ["1...1", "1...1", "1...1", "11111", "1...1", "1...1", "1...1"],
  " ": ["...", "...", "...", "...", "...", "...", "..."],
};
const CAPTION = [..."DEAL WITH IT"].map((letter) => LETTERS[letter]);
const UNITS = CAPTION.reduce((sum, rows) => sum + rows[0].length + 1, -1);

/** One moment: `fallen` 0 has the glasses above the picture, 1 on the eyes. */
export function drawMoment(canvas, picture, heads, look, fallen, caption) {
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.preview, 0, 0, canvas.width, canvas.height);
  drawGlasses(context, canvas.width / picture.width, heads, look, (lies) => (1 - fallen) * rise(lies));
  if (caption) drawCaption(context);
}

/** Show it on a canvas; with reduced motion only the end of it. Resolves when it is over. */
export async function play(canvas, picture, heads, look) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const began = performance.now();
  const falls = STEPS * STEP * 10;
  for (let now = began; !still && now < began + falls; now = await nextFrame()) {
    drawMoment(canvas, picture, heads, look, Math.max(0, now - began) / falls, false);
  }
  drawMoment(canvas, picture, heads, look, 1, true);
  await new Promise((resolve) => setTimeout(resolve, HOLD * 10));
}

/** The same as the bytes of a GIF. */
export async function film(picture, heads, look, progress) {
  const scale = Math.min(1, LARGEST / Math.max(picture.preview.width, picture.preview.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.preview.width * scale));
  canvas.height = Math.max(1, Math.round(picture.preview.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const frame = (fallen, caption, hundredths) => {
    drawMoment(canvas, picture, heads, look, fallen, caption);
    return { rgba: context.getImageData(0, 0, canvas.width, canvas.height).data, hundredths };
  };
  const frames = [];
  for (let step = 0; step < STEPS; step++) frames.push(frame(step / STEPS, false, STEP));
  frames.push(frame(1, false, PAUSE), frame(1, true, HOLD));
  return encode(canvas.width, canvas.height, frames, async (done) => {
    progress(done);
    await nextFrame(); // the page stays alive
  });
}

function drawCaption(context) {
  const { width, height } = context.canvas;
  const unit = Math.max(1, Math.floor(Math.min((width * 0.88) / UNITS, (height * 0.12) / 7)));
  const edge = Math.max(1, Math.round(unit / 2));
  const left = Math.round((width - UNITS * unit) / 2);
  const top = height - 10 * unit;
  for (const [colour, more] of [["#000", edge], ["#fff", 0]]) {
    context.fillStyle = colour;
    let x = left;
    for (const rows of CAPTION) {
      rows.forEach((row, down) =>
        [...row].forEach((cell, across) => {
          if (cell !== "1") return;
          context.fillRect(x + across * unit - more, top + down * unit - more, unit + 2 * more, unit + 2 * more);
        }),
      );
      x += (rows[0].length + 1) * unit;
    }
  }
}

/** The time of the next frame; a page nobody looks at draws none, so a clock stands in. */
function nextFrame() {
  return new Promise((resolve) => {
    if (document.hidden) setTimeout(() => resolve(performance.now()), 10);
    else requestAnimationFrame(resolve);
  });
}
