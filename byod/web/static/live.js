/** Live: glasses on what the camera sees, until it is stopped. One picture after the other goes to the model; none is kept. */

import { drawGlasses } from "./drawing.js";
import { make, number, refusal, say } from "./elements.js";
import { found } from "./heads.js";
import { asFile, rgb } from "./pictures.js";
import { Refused } from "./refusals.js";

const WIDE = 640; // pixels across that the camera is asked for
const COUNTED = 2000; // milliseconds over which pictures a second are counted
const REFUSALS = { NotAllowedError: "camera_refused", SecurityError: "camera_refused", NotFoundError: "camera_none", OverconstrainedError: "camera_none" };

/** True where a page may ask for the camera: over https, or on this very computer. */
export function hasCamera() {
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

/**
 * A button that begins it, and the place where it is shown.
 *
 * @param {object} desk as card.js has it
 * @param {(files: File[]) => void} taken gets a picture that somebody takes
 */
export function live(desk, taken) {
  const place = make("div", { className: "live-place" });
  const button = make("button", { type: "button", className: "webcam", say: "webcam" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    place.replaceChildren();
    try {
      const shown = new Live(desk, await camera(), taken);
      place.append(shown.element);
      shown.element.scrollIntoView({ block: "nearest" });
      shown.stopper.focus({ preventScroll: true });
      await shown.run();
      place.replaceChildren();
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      place.replaceChildren(make("p", { className: "note bad", role: "alert" }, ...refusal(fault)));
    } finally {
      button.disabled = false;
      button.focus({ preventScroll: true });
    }
  });
  return { button, place };
}

/** What the camera sees, as a stream; the one at the back, where there are two. */
async function camera() {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDE }, facingMode: "environment" }, audio: false });
  } catch (fault) {
    if (!(fault instanceof DOMException)) throw fault;
    throw new Refused(REFUSALS[fault.name] ?? "camera_busy");
  }
}

class Live {
  constructor(desk, stream, taken) {
    Object.assign(this, { desk, stream, ends: new AbortController(), times: [] });
    this.video = make("video", { muted: true, playsInline: true, srcObject: stream, className: "unseen", "aria-hidden": "true" });
    this.frame = make("canvas", {});
    this.canvas = make("canvas", { role: "img", label: "live_picture" });
    this.status = make("p", { className: "status", say: "looking" });
    this.stopper = make("button", { type: "button", className: "main", say: "stop", on: { click: () => this.stop() } });
    const take = async () => taken([new File([await asFile(this.frame, "image/jpeg", 0.95)], "webcam.jpg", { type: "image/jpeg" })]);
    const taker = make("button", { type: "button", say: "take", on: { click: take } });
    const actions = make("div", { className: "actions" }, this.stopper, taker);
    this.element = make("section", { className: "card live", label: "webcam" }, this.status, make("div", { className: "stage" }, this.canvas), actions, this.video);
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.stop()); // it was pulled out
  }

  stop() {
    this.ends.abort();
    for (const track of this.stream.getTracks()) track.stop();
  }

  /** Look at one picture after the other until it is stopped. */
  async run() {
    const { signal } = this.ends;
    try {
      await this.video.play();
      for (let last = -1; !signal.aborted; ) {
        if (document.hidden || this.video.currentTime === last) {
          await new Promise((resolve) => setTimeout(resolve, 10)); // the camera has no other picture yet
          continue;
        }
        last = this.video.currentTime;
        await this.look(signal);
      }
    } catch (fault) {
      if (!signal.aborted) throw fault;
    } finally {
      this.stop();
    }
  }

  async look(signal) {
    const { desk, frame, canvas, video } = this;
    Object.assign(frame, { width: video.videoWidth, height: video.videoHeight });
    frame.getContext("2d", { willReadFrequently: true }).drawImage(video, 0, 0);
    const picture = await rgb(frame);
    const said = await desk.predictor.predict(picture, { signal, threshold: desk.sure.wanted });
    const heads = found(said, desk.parts, picture.width).filter(({ confidence }) => desk.sure.holds(confidence));
    // the picture that was looked at, so that the glasses sit on the eyes, however long it took
    Object.assign(canvas, { width: picture.width, height: picture.height });
    const context = canvas.getContext("2d");
    context.drawImage(frame, 0, 0);
    drawGlasses(context, 1, heads, desk.look);
    this.tell(heads.length);
  }

  tell(n) {
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < COUNTED), now];
    const rate = this.times.length > 1 ? ((this.times.length - 1) * 1000) / (now - this.times[0]) : 0;
    this.element.dataset.rate = rate.toFixed(2);
    this.element.dataset.heads = n;
    say(this.status, "live", () => ({ cats: this.desk.cats, n, rate: number(rate) }));
  }
}
