/** "Report a miss": a small form that asks once more before the picture is kept. */

import { hush, make, refusal, say, words } from "./elements.js";
import { Refused } from "./refusals.js";

/**
 * @param {object} desk {predictor, host}
 * @param {{question: () => [string, object?], send: (choice: string) => Promise<void>, choices?: HTMLElement}} about
 * @returns {{opener: HTMLElement, form: HTMLElement}} the button, and the form that it opens
 */
export function reporting(desk, { question, send, choices = null }) {
  const asked = make("p", {});
  const where = make("p", { className: "quiet", say: "report_where", values: () => ({ place: placeOf(desk) }) });
  const note = make("p", { className: "note", role: "status" });
  const yes = make("button", { type: "button", className: "main", say: "send" });
  const no = make("button", { type: "button", say: "cancel" });
  const rows = [asked, ...(choices ? [choices] : []), where, make("div", { className: "actions" }, yes, no)];
  const form = make("div", { className: "report", hidden: true }, ...rows);
  const opener = make("button", { type: "button", say: "report", "aria-expanded": "false" });
  const show = (open) => {
    form.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) say(asked, ...question());
  };
  opener.addEventListener("click", () => {
    show(form.hidden);
    hush(note);
    if (!form.hidden) (choices?.querySelector("select") ?? yes).focus();
  });
  no.addEventListener("click", () => {
    show(false);
    opener.focus();
  });
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await send();
      say(note, "sent");
      show(false);
      opener.focus();
    } catch (fault) {
      if (!(fault instanceof Refused)) throw fault;
      hush(note);
      note.append(...refusal(fault));
    } finally {
      yes.disabled = false;
    }
  });
  return { opener, form: make("div", {}, form, note) };
}

function placeOf(desk) {
  return desk.predictor.place === "computer" ? words("where_computer") : words("where_host", { host: desk.host });
}
