/** Making elements, and what is said in them: words are put in by key, so that the language can change at any time. */

import { remember } from "./remembered.js";
import { LANGUAGES, firstLanguage, wording } from "./strings.js";

let language = firstLanguage();
const told = new WeakMap(); // element -> {attribute, or "" for its text: [key, values]}

/**
 * An element. `say` and `label` are keys of page_texts.json for its text and its aria-label (with `values`), `on` its listeners;
 * all else becomes properties, or attributes where there is no such property.
 */
export function make(tag, { say: key, label: named, values, on = {}, ...rest } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(rest)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const [kind, act] of Object.entries(on)) element.addEventListener(kind, act);
  element.append(...children);
  if (key) say(element, key, values);
  if (named) say(element, named, values, "aria-label");
  return element;
}

/** Put words into an element, or into one of its attributes; `values` may be a function, for what a language formats. */
export function say(element, key, values = {}, attribute = "") {
  told.set(element, { ...told.get(element), [attribute]: [key, values] });
  element.dataset.said = "";
  put(element, attribute, key, values);
}

/** Take back what was said in an element. */
export function hush(element) {
  told.delete(element);
  delete element.dataset.said;
  element.textContent = "";
}

/** The words themselves. */
export function words(key, values = {}) {
  return wording(language, key, typeof values === "function" ? values() : values);
}

export function currentLanguage() {
  return language;
}

/** A button for each language, by its own name; the one that is spoken is hidden. */
export function languageButtons() {
  const buttons = Object.entries(LANGUAGES).map(([code, { name }]) =>
    make("button", { type: "button", className: "language", lang: code, textContent: name, hidden: code === language }),
  );
  for (const button of buttons) {
    button.addEventListener("click", () => {
      switchLanguage(button.lang);
      remember("language", button.lang);
      for (const each of buttons) each.hidden = each === button;
      buttons.find((each) => !each.hidden).focus();
    });
  }
  return make("div", { className: "languages" }, ...buttons);
}

/** Say everything in another language. */
export function switchLanguage(code) {
  language = code;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-said]")) {
    for (const [attribute, [key, values]] of Object.entries(told.get(element) ?? {})) put(element, attribute, key, values);
  }
}

/** Why something was refused (refusals.js), as elements. */
export function refusal({ reason, message }) {
  const why = make("span", { say: reason });
  return message ? [why, ": ", make("span", { lang: "en", textContent: message })] : [why];
}

/** Do something for which buttons are switched off, and give the focus back to the one that had it. */
export async function keepingFocus(work) {
  const had = document.activeElement;
  try {
    return await work();
  } finally {
    if (had !== document.activeElement && document.activeElement === document.body) had.focus({ preventScroll: true });
  }
}

/** A probability (0..1) in words; never 100 % or 0 % where it is not quite. */
export function percent(value, digits = 0) {
  const least = 10 ** -(digits + 2);
  const format = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits });
  if (value < 1 && value > 1 - least / 2) return `> ${format.format(1 - least)}`;
  if (value > 0 && value < least / 2) return `< ${format.format(least)}`;
  return format.format(value);
}

/** A number with two digits that count. */
export function number(value) {
  return new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(value);
}

function put(element, attribute, key, values) {
  const text = words(key, values);
  if (attribute) element.setAttribute(attribute, text);
  else if (element.textContent !== text) element.textContent = text;
}
