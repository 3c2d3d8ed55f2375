/** A picture that was told apart: how probable each class is, and what the model looked at. */

import { hush, keepingFocus, make, number, percent, say } from "./elements.js";
import { Refused } from "./refusals.js";
import { reporting } from "./reporting.js";

const FIRST = 8; // so many bars are shown; the rest is folded away

export class Classes {
  constructor(card, said, seconds) {
    const { picture } = card;
    Object.assign(this, { card, desk: card.desk, picture, said, seconds, shows: false });
    const { width, height } = picture.preview;
    this.canvas = make("canvas", { role: "img", width, height });
    say(this.canvas, "picture_plain", { name: card.name }, "aria-label");
    this.note = make("p", { className: "note", role: "status" });
    this.bars = make("div", { className: said.unsure || said.none_of_these ? "bars unsure" : "bars", role: "list" }, ...this.rows());
    this.element = make(
      "div",
      { className: "answer" },
      make("div", { className: "stage" }, this.canvas),
      make("div", {}, this.verdict(), this.bars, this.actions(), this.note),
    );
    this.canvas.getContext("2d").drawImage(picture.preview, 0, 0);
    this.tell();
  }

  tell() {
    const { label, probability, unsure, none_of_these: unlike } = this.said;
    if (unsure || unlike) this.card.tell("unsure");
    else this.card.tell("says", () => ({ label, sure: percent(probability) }));
  }

  verdict() {
    const { label, unsure, none_of_these: unlike } = this.said;
    const values = () => ({ label, seconds: number(this.seconds) });
    return make("p", { className: "quiet", say: unlike ? "unlike_help" : unsure ? "unsure_help" : "took", values });
  }

  rows() {
    const sorted = Object.entries(this.said.probabilities).sort((a, b) => b[1] - a[1]);
    const rows = sorted.map(([label, probability]) => {
      const bar = make("i", {});
      bar.style.width = `${probability * 100}%`;
      const values = () => ({ text: percent(probability, 1) });
      return make(
        "div",
        { className: "bar", role: "listitem" },
        make("span", { className: "name", textContent: label }),
        make("span", { className: "track", "aria-hidden": "true" }, bar),
        make("span", { className: "number", say: "number", values }),
      );
    });
    if (rows.length <= FIRST) return rows;
    const rest = rows.splice(FIRST);
    const opener = make("summary", { say: "more_classes", values: { n: rest.length } });
    return [...rows, make("details", {}, opener, ...rest)];
  }

  actions() {
    const row = make("div", { className: "actions" });
    if (this.desk.model.look) {
      const act = { click: () => keepingFocus(() => this.toggle()) };
      this.looker = make("button", { type: "button", say: "look", "aria-pressed": "false", on: act });
      row.append(this.looker);
    }
    if (!this.desk.predictor.report) return row;
    const { opener, form } = this.reports();
    row.append(opener);
    return make("div", {}, row, form);
  }

  reports() {
    const { classes } = this.desk.model;
    const none = make("option", { value: "", say: "none_of_these" });
    const named = classes.map((name) => make("option", { value: `=${name}`, textContent: name })); // none may be called ""
    const select = make("select", { label: "report_class" }, ...named, none);
    const { label, unsure, none_of_these: unlike } = this.said;
    select.value = unsure || unlike ? "" : `=${classes.find((name) => name !== label)}`;
    return reporting(this.desk, {
      question: () => ["report_class"],
      choices: make("div", {}, select),
      send: () => {
        const label = select.value === "" ? null : select.value.slice(1);
        return this.desk.predictor.report(this.card.file, { label });
      },
    });
  }

  /** Show what it looked at, or the picture alone. */
  async toggle() {
    this.looker.disabled = true;
    try {
      this.look ??= await this.looked();
      this.shows = !this.shows;
      await this.draw();
    } catch (fault) {
      if (this.card.ends.signal.aborted) return;
      if (!(fault instanceof Refused)) throw fault;
      say(this.note, fault.reason);
    } finally {
      this.looker.disabled = false;
    }
  }

  async looked() {
    say(this.note, "looking");
    const { look } = await this.card.ask({ look: true, waiting: (seconds) => say(this.note, "busy_wait", { n: seconds }) });
    const veil = new Image();
    veil.src = look.veil;
    await veil.decode();
    return { ...look, veil };
  }

  async draw() {
    const { preview } = this.picture;
    const context = this.canvas.getContext("2d");
    context.drawImage(preview, 0, 0);
    hush(this.note);
    say(this.looker, this.shows ? "look_hide" : "look");
    this.looker.setAttribute("aria-pressed", String(this.shows));
    if (!this.shows) return;
    const scale = preview.width / this.said.width;
    const { veil, area, clear, label, least } = this.look;
    const [x0, y0, x1, y1] = area.map((value) => value * scale);
    context.imageSmoothingQuality = "high";
    context.drawImage(veil, x0, y0, x1 - x0, y1 - y0);
    if (!clear) {
      say(this.note, "look_unclear");
      return;
    }
    const values = () => ({ label, least: percent(least) });
    const warm = make("span", { className: "warm", say: "look_warm", values });
    this.note.append(warm, " ", make("span", { className: "cold", say: "look_cold" }));
  }
}
