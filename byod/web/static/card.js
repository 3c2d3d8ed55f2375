/** One picture on the page: opened, shown to the model, and what came of it; or why not, with another try. */

import { Classes } from "./classes.js";
import { Cats } from "./cats.js";
import { hush, make, refusal, say } from "./elements.js";
import { isHeic, open } from "./pictures.js";
import { Refused } from "./refusals.js";

let last = 0;

/**
 * @param {File} file
 * @param {object} desk what all pictures share: {predictor, model, look, parts, cats, host}
 * @param {() => void} closed is told when the person takes the picture away
 */
export class Card {
  constructor(file, desk, closed) {
    Object.assign(this, { file, desk, body: null, ends: new AbortController() });
    const id = `picture-${++last}`;
    const name = file.name || "…";
    this.name = name;
    const heard = make("span", { className: "unseen", textContent: `${name}: ` }); // which of them says so
    this.status = make("span", { className: "said" });
    this.main = make("div", { className: "content" });
    this.element = make(
      "article",
      { className: "card", "aria-labelledby": id },
      make("header", {}, make("h2", { id, textContent: name }), this.closer(name, closed)),
      make("p", { className: "status", role: "status" }, heard, this.status),
      this.main,
    );
  }

  closer(name, closed) {
    const act = () => {
      this.ends.abort();
      this.element.remove();
      closed();
    };
    const button = { type: "button", className: "close", textContent: "✕", on: { click: act } };
    return make("button", { ...button, label: "close", values: { name } });
  }

  /** Show the picture to the model; told whether it came to an end that is worth keeping. */
  async run() {
    if (this.ends.signal.aborted) return;
    this.tell("looking");
    try {
      this.picture ??= await this.opened();
      if (!this.main.hasChildNodes()) this.main.append(this.picture.preview);
      const began = performance.now();
      const said = await this.ask({ threshold: this.desk.sure.wanted });
      const Body = this.desk.model.task === "keypoints" ? Cats : Classes;
      this.body = new Body(this, said, (performance.now() - began) / 1000);
      this.main.replaceChildren(this.body.element);
    } catch (fault) {
      if (this.ends.signal.aborted) return;
      if (!(fault instanceof Refused)) throw fault;
      this.failed(fault);
    }
  }

  /** What the model says; `how` as a predictor's. */
  ask(how = {}) {
    const waiting = (seconds) => this.tell("busy_wait", { n: seconds });
    return this.desk.predictor.predict(this.file, { waiting, signal: this.ends.signal, ...how });
  }

  /** Ask it once more, otherwise; `said` gets the answer, if there is one. */
  async again(how, said) {
    this.tell("looking");
    try {
      said(await this.ask(how));
    } catch (fault) {
      if (this.ends.signal.aborted) return;
      if (!(fault instanceof Refused)) throw fault;
      this.failed(fault);
    }
  }

  /** Say where it stands. */
  tell(key, values) {
    this.element.classList.remove("bad");
    say(this.status, key, values);
  }

  /** The picture; a file that the browser cannot draw is drawn by the predictor, if it can. */
  async opened() {
    try {
      return await open(this.file);
    } catch (fault) {
      const { upright } = this.desk.predictor;
      if (!(fault instanceof Refused) || fault.reason !== "no_picture") throw fault;
      if (!upright) throw (await isHeic(this.file)) ? new Refused("no_heic") : fault;
      return open(await upright(this.file));
    }
  }

  failed(fault) {
    hush(this.status);
    this.element.classList.add("bad");
    this.status.append(...refusal(fault), " ");
    if (["busy", "unreachable"].includes(fault.reason)) {
      this.status.append(make("button", { type: "button", className: "link", say: "again", on: { click: () => this.run() } }));
    }
  }

  /** How sure the model must be is another now. */
  reconsider() {
    this.body?.reconsider?.();
  }

  /** The glasses are others now. */
  redraw() {
    this.body?.redraw?.();
  }
}
