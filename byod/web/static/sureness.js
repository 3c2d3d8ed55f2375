/** How sure the model must be of what it finds: its own threshold, until a person moves the slider. */

import { make, percent, say } from "./elements.js";

const WAIT = 250; // milliseconds that the slider has to rest

/**
 * {element, holds, wanted}: `holds(confidence)` says whether a find counts now, `wanted` is the threshold to ask a
 * predictor for (undefined: its own). `changed` is told when it is another. No element where the model has no threshold.
 */
export function sureness({ threshold }, changed) {
  const sure = { element: null, wanted: undefined, holds: () => true };
  if (typeof threshold !== "number") return sure;
  const own = Math.min(99, Math.max(1, Math.round(threshold * 100)));
  const shown = make("output", {});
  const range = make("input", { type: "range", min: 1, max: 99, step: 1, value: own });
  const tell = () => {
    const values = () => ({ text: percent(range.valueAsNumber / 100) });
    say(shown, "number", values);
    say(range, "number", values, "aria-valuetext");
  };
  let clock = 0;
  range.addEventListener("input", () => {
    tell();
    const least = range.valueAsNumber === own ? threshold : range.valueAsNumber / 100;
    sure.holds = (confidence) => confidence >= least;
    sure.wanted = Math.min(least, threshold);
    clearTimeout(clock);
    clock = setTimeout(changed, WAIT);
  });
  tell();
  sure.element = make("label", { className: "slider sure" }, make("span", { say: "sureness" }), range, shown);
  return sure;
}
