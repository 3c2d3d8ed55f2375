/**
 * A model that the browser itself runs, from the files beside this one: no picture leaves the device. The same as
 * predictor-server.js, which says what a predictor is.
 */

import { fullSize, rgb } from "./pictures.js";
import { Refused } from "./refusals.js";
import { Workshop } from "./workshop.js";

export async function open() {
  const model = await described();
  const workshop = new Workshop(new URL("model-worker.js", import.meta.url));
  const watching = [];
  const progress = (share) => watching.forEach((told) => told(share));
  const ready = workshop.ask("open", { model, folder: new URL(".", import.meta.url).href }, { progress });
  ready.then(keepForOffline, () => {}); // whoever waits for it is told what failed
  return {
    model,
    place: "device",
    ready,
    progress: (told) => watching.push(told),
    predict: async (picture, { look = false, threshold, signal } = {}) => {
      await ready;
      const given = picture instanceof Blob ? await pixelsOf(picture) : { ...picture, pixels: picture.pixels.slice() };
      signal?.throwIfAborted();
      const said = await workshop.ask("predict", { picture: given, look, threshold }, { signal, handOver: [given.pixels.buffer] });
      if (said.look) said.look.veil = address(said.look.veil);
      return said;
    },
  };
}

async function described() {
  let answer;
  try {
    answer = await fetch(new URL("model.json", import.meta.url));
  } catch (fault) {
    throw new Refused("no_model_here", fault.message);
  }
  if (!answer.ok) throw new Refused("no_model_here", `HTTP ${answer.status}`);
  return answer.json();
}

async function pixelsOf(file) {
  const { canvas } = await fullSize(file);
  const picture = await rgb(canvas);
  canvas.width = canvas.height = 0; // its memory goes now, not some time
  return picture;
}

/** A see-through picture {width, height, values} (four bytes a pixel) as a data: address. */
function address({ width, height, values }) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(new ImageData(values, width, height), 0, 0);
  return canvas.toDataURL();
}

/** Have the browser keep a page that came over https, so that it opens without a network. */
function keepForOffline() {
  if (location.protocol !== "https:") return; // on this very computer another page may come to the same address
  navigator.serviceWorker?.register(new URL("offline.js", import.meta.url)).catch((fault) => {
    console.info(`this page is not kept for use without a network: ${fault.message}`);
  });
}
