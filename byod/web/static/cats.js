/** A picture whose heads were found: glasses on each, points to drag, and what can be done with it. */

import { drawGlasses } from "./drawing.js";
import { film, play } from "./dropin.js";
import { keepingFocus, make, number, percent, say } from "./elements.js";
import { Handles } from "./handles.js";
import { Head, added, found, truth } from "./heads.js";
import { kept } from "./keeping.js";
import { Past } from "./past.js";
import { asFile, fullSize } from "./pictures.js";
import { Refused } from "./refusals.js";
import { reporting } from "./reporting.js";
import { named, save } from "./saving.js";

export class Cats {
  constructor(card, said, seconds) {
    const { desk, picture } = card;
    Object.assign(this, { card, desk, picture, said, busy: false, drawing: 0 });
    this.sent = { width: said.width, height: said.height };
    this.asked = desk.sure.wanted; // for how sure finds; undefined is the model's own threshold
    this.heads = this.counted();
    this.names = desk.parts.left ? [desk.parts.left, desk.parts.right] : desk.model.points.names;
    this.shown = this.names;
    const { width, height } = picture.preview;
    this.canvas = make("canvas", { role: "img", width, height });
    this.past = new Past();
    this.handles = new Handles(picture, desk.cats, () => this.redraw(), () => this.keep());
    this.note = make("p", { className: "note", role: "status" });
    this.help = make("p", { className: "quiet help" });
    this.tap = null; // the first of two eyes that somebody tapped
    const stage = make("div", { className: "stage" }, this.canvas, this.handles.layer);
    if (desk.parts.left) stage.addEventListener("click", (event) => this.tapped(event));
    this.element = make("div", {}, stage, this.help, this.actions(), this.note);
    this.tell(seconds);
    this.changed();
  }

  /** The heads that the model is sure enough of. */
  counted() {
    return found(this.said, this.desk.parts, this.picture.width).filter(({ confidence }) => this.desk.sure.holds(confidence));
  }

  /** How sure it must be is another now; a picture that somebody corrected stays as it is. */
  async reconsider() {
    if (!this.past.empty || this.busy) return;
    const { wanted } = this.desk.sure;
    if (wanted < (this.asked ?? this.desk.model.threshold)) {
      this.asked = wanted;
      await this.card.again({ threshold: wanted }, (said) => (this.said = said));
    }
    this.heads = this.counted();
    this.changed();
    this.tell(this.seconds);
  }

  tell(seconds) {
    const { cats } = this.desk;
    const n = this.heads.length;
    this.seconds = seconds;
    if (n === 0) this.card.tell("none", { cats });
    else this.card.tell("found", () => ({ cats, n, seconds: number(seconds) }));
  }

  actions() {
    const button = (key, act, className = "") =>
      make("button", { type: "button", className, say: key, on: { click: act } });
    this.makers = [];
    if (this.desk.parts.left) {
      this.makers.push(button("save_png", () => this.savePicture(), "main"));
      if (window.ClipboardItem && navigator.clipboard?.write) this.makers.push(button("copy", () => this.copy()));
      if (canShare()) this.makers.push(button("share", () => this.share()));
      this.makers.push(button("play", () => this.play()), button("save_gif", () => this.saveFilm()));
    }
    this.undoer = button("undo", () => this.undo());
    this.removers = make("span", { className: "removers" });
    const more = this.desk.parts.left ? [button("add", () => this.add())] : [];
    if (this.desk.model.points.names.length > this.names.length) more.push(this.everyPoint());
    const { form, opener } = this.desk.predictor.report ? this.reports() : {};
    if (opener) more.push(opener);
    this.keeper = opener ? null : button("keep", () => this.keepForTraining());
    if (this.keeper) more.push(this.keeper);
    const row = (...buttons) => make("div", { className: "actions" }, ...buttons);
    return make("div", {}, row(...this.makers), row(...more, this.undoer, this.removers), ...(form ? [form] : []));
  }

  everyPoint() {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      this.shown = box.checked ? this.desk.model.points.names : this.names;
      this.changed();
    });
    return make("label", { className: "check" }, box, make("span", { say: "all_points" }));
  }

  reports() {
    return reporting(this.desk, {
      question: () => (this.heads.length ? ["report_points"] : ["report_none", { cats: this.desk.cats }]),
      send: () => {
        const scale = this.sent.width / this.picture.width;
        const heads = truth(this.heads, this.desk.model.points.names, this.shown, scale);
        return this.desk.predictor.report(this.card.file, { ...this.sent, heads });
      },
    });
  }

  /** Heads came or went, or other points are shown. */
  changed() {
    const { cats, model, parts } = this.desk;
    this.tap = null;
    this.handles.show(this.heads, this.shown);
    this.removers.replaceChildren(
      ...this.heads.map((head, at) => {
        const act = { type: "button", on: { click: () => this.remove(head) } };
        return make("button", { ...act, say: "remove", values: { cats, n: at + 1 } });
      }),
    );
    const n = this.heads.length;
    for (const button of this.makers) button.disabled = n === 0;
    this.undoer.hidden = this.past.empty;
    if (this.keeper) this.keeper.hidden = this.past.empty;
    say(this.canvas, parts.left ? "picture_of" : "picture_plain", { name: this.card.name, n }, "aria-label");
    say(this.help, n > 0 ? "drag_help" : "none_help", { cats, points: model.points.names.length });
    this.redraw();
  }

  /** Draw at the next frame, once. */
  redraw() {
    if (this.drawing || this.busy) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.busy) return;
      const context = this.canvas.getContext("2d");
      context.drawImage(this.picture.preview, 0, 0);
      drawGlasses(context, this.picture.scale, this.heads, this.desk.look);
      if (this.tap) this.mark(context, this.tap);
    });
  }

  /** Where the first tap was. */
  mark(context, [x, y]) {
    const { scale } = this.picture;
    context.beginPath();
    context.arc(x * scale, y * scale, Math.max(6, context.canvas.width / 80), 0, 2 * Math.PI);
    context.lineWidth = 3;
    context.strokeStyle = "#fff";
    context.fillStyle = "rgb(30 120 220 / .6)";
    context.fill();
    context.stroke();
  }

  /** Keep how it is now, before something changes. */
  keep() {
    this.past.keep(this.heads.map((head) => head.state()));
    this.undoer.hidden = false;
    if (this.keeper) this.keeper.hidden = false;
  }

  /** Take the last change back. */
  undo() {
    this.heads = this.past.back().map((state) => Head.of(this.desk.parts, state));
    this.corrected();
    (this.past.empty ? this.element.querySelector(".actions button:enabled") : this.undoer)?.focus();
  }

  /** Two taps on the eyes of a cat that was not found put the glasses there. */
  tapped({ clientX, clientY }) {
    if (this.heads.length > 0 || this.busy) return;
    const around = this.canvas.getBoundingClientRect();
    const { width, height } = this.picture;
    const eye = [((clientX - around.left) / around.width) * width, ((clientY - around.top) / around.height) * height];
    if (!this.tap) {
      this.tap = eye;
      say(this.help, "tap_second");
      this.redraw();
      return;
    }
    const [left, right] = [this.tap, eye].sort((one, other) => one[0] - other[0]);
    this.keep();
    this.heads.push(new Head(this.desk.parts, { [this.desk.parts.left]: left, [this.desk.parts.right]: right }, { byHand: true }));
    this.corrected();
  }

  add() {
    this.keep();
    this.heads.push(added(this.desk.parts, this.picture.width, this.picture.height));
    this.corrected();
    this.handles.layer.querySelector(`[data-head="${this.heads.length}"]`).focus();
  }

  remove(head) {
    this.keep();
    this.heads = this.heads.filter((other) => other !== head);
    this.corrected();
    (this.removers.querySelector("button") ?? this.card.element.querySelector(".actions button:enabled"))?.focus();
  }

  corrected() {
    this.card.tell("by_hand", { n: this.heads.length });
    this.changed();
  }

  async savePicture() {
    await this.making(async () => {
      const { file, scale, width, height } = await this.whole();
      const name = named(this.card.file, "sunglasses", "png");
      save(file, name);
      say(this.note, scale < 1 ? "saved_smaller" : "saved", { name, width, height });
    });
  }

  /** The whole photo with its glasses, as a file. */
  async whole() {
    const { canvas, scale } = await fullSize(this.picture.file);
    drawGlasses(canvas.getContext("2d"), scale, this.heads, this.desk.look);
    const { width, height } = canvas;
    const file = await asFile(canvas);
    canvas.width = canvas.height = 0; // its memory goes now, not some time
    return { file, scale, width, height };
  }

  /** What a person corrected, as a file for the dataset: nobody keeps it here. */
  async keepForTraining() {
    await this.making(async () => {
      const { file, width, height } = this.picture;
      const heads = truth(this.heads, this.desk.model.points.names, this.shown, 1);
      const name = named(this.card.file, "byod", "zip");
      save(await kept({ file, width, height }, heads, this.desk.cats ? "cat" : "object"), name);
      say(this.note, "kept", { name });
    });
  }

  async copy() {
    await this.making(async () => {
      const picture = this.whole().then(({ file }) => file); // a promise: some browsers ask for it within the click
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
      } catch (fault) {
        if (!(fault instanceof DOMException)) throw fault;
        throw new Refused("not_copied");
      }
      say(this.note, "copied");
    });
  }

  async share() {
    await this.making(async () => {
      const { file } = await this.whole();
      const shared = new File([file], named(this.card.file, "sunglasses", "png"), { type: "image/png" });
      try {
        await navigator.share({ files: [shared] });
      } catch (fault) {
        if (!(fault instanceof DOMException)) throw fault;
        if (fault.name !== "AbortError") throw new Refused("not_shared"); // else the person thought better of it
      }
    });
  }

  async saveFilm() {
    await this.making(async () => {
      const progress = (done) => say(this.note, "making", () => ({ percent: percent(done) }));
      const file = await film(this.picture, this.heads, this.desk.look, progress);
      const name = named(this.card.file, "deal-with-it", "gif");
      save(new Blob([file], { type: "image/gif" }), name);
      const [width, height] = [file[6] + file[7] * 256, file[8] + file[9] * 256];
      say(this.note, "saved", { name, width, height });
    });
  }

  async play() {
    await this.making(() => play(this.canvas, this.picture, this.heads, this.desk.look), "playing");
  }

  /** Something that takes a while: no button twice; what fails is said. */
  making(work, state = "working") {
    return keepingFocus(() => this.alone(work, state));
  }

  async alone(work, state) {
    this.busy = true;
    this.element.classList.add(state);
    for (const button of this.makers) button.disabled = true;
    try {
      await work();
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      say(this.note, fault.reason);
    } finally {
      this.busy = false;
      this.element.classList.remove(state);
      this.changed();
    }
  }
}

/** True where the browser can hand a picture to other programs of the device. */
function canShare() {
  return navigator.canShare?.({ files: [new File([], "cat.png", { type: "image/png" })] }) ?? false;
}
