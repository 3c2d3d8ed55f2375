/**
 * A model that a byod server runs. Every predictor module has `open()`, which gives
 *   model     what the model is, as GET api/model says it
 *   place     where pictures go: "device", "computer" (a server on this one) or "host" (one elsewhere)
 *   predict(picture, {look, threshold, waiting, signal})   the JSON of POST api/predict, for a file or {width, height, pixels};
 *             look: also what it looked at, where model.look says it can; threshold: the least confidence of finds;
 *             waiting(seconds): told while it is busy
 * and perhaps
 *   ready     a promise: the model is there; predictions wait for it
 *   progress(told)        told is called with the share (0..1) of the model that has come
 *   docs      the address of its API's documentation
 *   upright(file)         a JPEG of a file that the browser cannot draw
 *   report(file, truth)   keeps a picture with what it shows ({label} or {width, height, heads}) for training
 * What cannot be done throws a `Refused`.
 */

import { asFile, canvasOf, fullSize } from "./pictures.js";
import { Refused } from "./refusals.js";

const TRIES = 8;
const LONGEST_WAIT = 30; // seconds
const SMALLER = 2048; // the longer side of what is sent where the file itself is too large
const FORM = 4096; // bytes that a form adds to its picture, at most
const SECONDS = 90;

export async function open() {
  const model = await (await asked("api/model")).json();
  const own = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const predictor = {
    model,
    place: own ? "computer" : "host",
    docs: "docs",
    predict: async (picture, { look = false, threshold, ...how } = {}) => {
      const { blob } = await sendable(picture, model);
      const asks = new URLSearchParams({ ...(look && { look: 1 }), ...(threshold !== undefined && { threshold }) });
      const path = String(asks) ? `api/predict?${asks}` : "api/predict";
      return (await asked(path, { image: blob, ...how })).json();
    },
    upright: async (file) => (await asked("api/picture", { image: file })).blob(),
  };
  if (model.reports) {
    predictor.report = async (file, truth) => {
      const { blob, size } = await sendable(file, model);
      await asked("api/report", { image: blob, truth: JSON.stringify(size ? scaled(truth, size) : truth) });
    };
  }
  return predictor;
}

/** The file itself where the server takes it, else the same picture smaller, whose `size` is then told. */
async function sendable(picture, { takes }) {
  if (!(picture instanceof Blob)) return { blob: await asFile(canvasOf(picture)), size: null };
  if (picture.size + FORM <= takes.bytes) return { blob: picture, size: null };
  const { canvas } = await fullSize(picture, SMALLER);
  const { width, height } = canvas;
  return { blob: await asFile(canvas, "image/jpeg", 0.95), size: { width, height } };
}

/** A truth in pixels of the same picture at another size. */
function scaled(truth, { width, height }) {
  if (!truth.heads) return truth;
  const place = (at) => at && at.map((value) => (value * width) / truth.width);
  const head = ({ points, box }) => ({
    points: Object.fromEntries(Object.entries(points).map(([name, at]) => [name, place(at)])),
    box: place(box),
  });
  return { width, height, heads: truth.heads.map(head) };
}

/** The answer to a request, with the parts of a form or none; a busy server is asked again when it says so. */
async function asked(path, { waiting = () => {}, signal, ...parts } = {}) {
  for (let turn = 1; ; turn++) {
    const answer = await once(path, parts, signal);
    if (answer.ok) return answer;
    const busy = answer.status === 503 || answer.status === 429; // 429: with pictures of this very visitor
    if (!busy || turn === TRIES) throw new Refused(busy ? "busy" : "refused", await lineOf(answer));
    const seconds = Math.min(LONGEST_WAIT, Number(answer.headers.get("Retry-After")) || 1);
    waiting(seconds);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    signal?.throwIfAborted();
  }
}

async function once(path, parts, signal) {
  const ends = new AbortController();
  const clock = setTimeout(() => ends.abort(), SECONDS * 1000);
  const stop = () => ends.abort();
  signal?.addEventListener("abort", stop);
  try {
    const headers = { "Accept-Language": document.documentElement.lang };
    return await fetch(path, { ...posted(parts), headers, signal: ends.signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof TypeError || ends.signal.aborted)) throw error;
    throw new Refused("unreachable");
  } finally {
    clearTimeout(clock);
    signal?.removeEventListener("abort", stop);
  }
}

function posted(parts) {
  if (!("image" in parts)) return {};
  const body = new FormData();
  body.append("image", parts.image, "picture"); // what it is called at home is nobody's business
  if ("truth" in parts) body.append("truth", parts.truth);
  return { method: "POST", body };
}

async function lineOf(answer) {
  try {
    const { error } = await answer.json();
    return typeof error === "string" ? error : `HTTP ${answer.status}`;
  } catch (fault) {
    if (!(fault instanceof SyntaxError)) throw fault;
    return `HTTP ${answer.status}`; // no JSON: something between the page and byod answered
  }
}
