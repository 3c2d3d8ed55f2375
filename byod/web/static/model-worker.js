/** The worker's end: the nets of a model, and one question after the other. See workshop.js. */

import { classified, seen } from "./classifier.js";
import { Finder } from "./finder.js";
import { opened } from "./nets.js";

const stopped = new Set();
let model = null;
let nets = null;
let turn = Promise.resolve();

addEventListener("message", ({ data }) => {
  if (data.what === "stop") stopped.add(data.number);
  else turn = turn.then(() => answer(data));
});

async function answer({ number, what, ...parts }) {
  try {
    if (stopped.has(number)) return;
    const said = what === "open" ? await open(parts, (share) => postMessage({ number, share })) : await predict(parts, number);
    postMessage({ number, said });
  } catch (fault) {
    postMessage({ number, refused: { reason: what === "open" ? "no_model_here" : "no_answer", line: String(fault?.message ?? fault) } });
  } finally {
    stopped.delete(number);
  }
}

async function open({ model: described, folder }, progress) {
  model = described;
  nets = await opened(model, folder, progress);
  return true;
}

async function predict({ picture, look, threshold }, number) {
  const { width, height } = picture;
  const said = { path: "-", width, height };
  if (model.task === "keypoints") return { ...said, heads: await new Finder(nets, model, threshold).find(picture) };
  const found = await classified(picture, model, nets.model);
  if (!look) return { ...said, ...found, look: null };
  return { ...said, ...found, look: await seen(picture, model, nets.model, () => stopped.has(number)) };
}
