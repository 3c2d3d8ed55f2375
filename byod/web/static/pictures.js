/** Opening picture files: upright (EXIF), in sRGB, on white where they are see-through. Nothing but pixels goes on. */

import { Refused } from "./refusals.js";

const PREVIEW = 1080; // the longer side of what is shown, at most
const SMALL = 640; // and at least, for points have to be hit
const ENLARGED = 4;
const MOST_PIXELS = 220_000_000;

/** A picture that was opened: its file, its size in pixels, and a canvas to show, `scale` times as large. */
export async function open(file) {
  const bitmap = await decoded(file);
  const { width, height } = bitmap;
  const longer = Math.max(width, height);
  const scale = longer > PREVIEW ? PREVIEW / longer : Math.min(Math.max(1, SMALL / longer), ENLARGED);
  const preview = drawn(bitmap, scale);
  bitmap.close();
  return { file, width, height, preview, scale };
}

/** A canvas with the whole picture, as large as the device can draw it and no side over `most`: {canvas, scale}. */
export async function fullSize(file, most = Infinity) {
  const bitmap = await decoded(file);
  const wanted = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  for (let scale = wanted; scale > wanted / 20; scale *= 0.8) {
    const canvas = drawn(bitmap, scale);
    if (holds(canvas)) {
      bitmap.close();
      return { canvas, scale };
    }
    canvas.width = canvas.height = 0; // some browsers keep a canvas' memory for long
  }
  bitmap.close();
  throw new Refused("no_room");
}

/** The pixels of a file or of a canvas: {width, height, pixels}, RGB, one byte a value. */
export async function rgb(source) {
  const canvas = source instanceof Blob ? (await fullSize(source)).canvas : source;
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return { width, height, pixels };
}

/** The other way round: a canvas with the pixels {width, height, pixels}. */
export function canvasOf({ width, height, pixels }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < pixels.length; to += 4) {
    image.data[to] = pixels[from++];
    image.data[to + 1] = pixels[from++];
    image.data[to + 2] = pixels[from++];
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A canvas as a file. */
export function asFile(canvas, type = "image/png", quality = undefined) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Refused("no_room"))), type, quality);
  });
}

/** True of HEIC, the pictures of iPhones, by how the file begins (ISO/IEC 23008-12, its brands). */
export async function isHeic(file) {
  const text = new TextDecoder("latin1").decode(await file.slice(0, 12).arrayBuffer());
  return text.slice(4, 8) === "ftyp" && /^(hei|hev|mif1|msf1)/.test(text.slice(8));
}

async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (fault) {
    if (!(fault instanceof DOMException)) throw fault;
    throw new Refused("no_picture");
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    bitmap.close();
    throw new Refused("too_many_pixels");
  }
  return bitmap;
}

function drawn(bitmap, scale) {
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas;
}

/** Whether a canvas is more than an empty promise: too large ones draw nothing and say nothing. */
function holds(canvas) {
  const context = canvas.getContext("2d");
  return Boolean(context) && context.getImageData(canvas.width - 1, canvas.height - 1, 1, 1).data[3] === 255;
}
