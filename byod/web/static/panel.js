/** Which glasses, how large and how dark: one choice for all pictures of the page. */

import { make, percent, say } from "./elements.js";
import { KINDS, addresses, glasses } from "./glasses.js";
import { recall, remember } from "./remembered.js";

const FIRST = "aviator";
const KEPT = "glasses";

/** {element, sliders, look}: `look` is what drawing.js takes, and `changed` is told when it is another. */
export async function panel(changed) {
  const before = recall(KEPT);
  const first = KINDS.includes(before) ? before : FIRST;
  const look = { kind: first, drawing: await glasses(first), size: 1, strength: 0.95 };
  const choose = async (kind) => {
    look.kind = kind;
    remember(KEPT, kind);
    const drawing = await glasses(kind);
    if (look.kind !== kind) return; // another was chosen meanwhile
    look.drawing = drawing;
    changed();
  };
  const kinds = make("div", { className: "kinds" }, ...KINDS.map((kind) => kindChoice(kind, kind === first, choose)));
  const slide = (key, name, from, to) =>
    slider(key, from, to, look[name], (value) => {
      look[name] = value;
      changed();
    });
  const sliders = make("div", { className: "sliders" }, slide("size", "size", 0.5, 1.8), slide("strength", "strength", 0, 1));
  const element = make("fieldset", { className: "panel" }, make("legend", { say: "glasses" }), kinds, sliders);
  return { element, sliders, look };
}

function kindChoice(kind, checked, choose) {
  const radio = make("input", { type: "radio", name: "glasses", value: kind, checked });
  radio.addEventListener("change", () => choose(kind));
  const drawings = addresses(kind).map((src) => make("img", { src, alt: "", width: 440, height: 220 }));
  const drawing = make("span", { className: "drawing" }, ...drawings);
  return make("label", { className: "kind" }, radio, drawing, make("span", { say: kind }));
}

function slider(key, from, to, value, changed) {
  const shown = make("output", {});
  const range = make("input", { type: "range", min: from * 100, max: to * 100, step: 1, value: value * 100 });
  const tell = () => {
    const values = () => ({ text: percent(range.valueAsNumber / 100) });
    say(shown, "number", values);
    say(range, "number", values, "aria-valuetext");
  };
  range.addEventListener("input", () => {
    tell();
    changed(range.valueAsNumber / 100);
  });
  tell();
  return make("label", { className: "slider" }, make("span", { say: key }), range, shown);
}
