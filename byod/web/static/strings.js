/** What the page says: words by key, in every language there is. languages.js is made by byod from page_texts.json. */

import { LANGUAGES } from "./languages.js";
import { recall } from "./remembered.js";

export { LANGUAGES };

/** The language to begin with: the address says one (?lang=de), or it was chosen before, or the browser says one. */
export function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? "";
  const codes = Object.keys(LANGUAGES);
  const speaks = (code, tag) => tag === code || tag.startsWith(`${code}-`);
  for (const tag of [asked, recall("language") ?? "", ...navigator.languages]) {
    const found = codes.find((code) => speaks(code.toLowerCase(), tag.toLowerCase()));
    if (found) return found;
  }
  return "en";
}

/** The words of a key, with values in their {places}. */
export function wording(language, key, values) {
  const { texts, plural } = LANGUAGES[language];
  if (!(key in texts)) throw new Error(`page_texts.json has no ${key}`);
  return suited(texts[key], values, plural).replace(/\{(\w+)\}/g, (place, name) => {
    if (!(name in values)) throw new Error(`${key} is said without ${place}`);
    return values[name];
  });
}

/** The text that fits the values: plural forms count `n`, and some texts tell cats from other heads, or none from some. */
function suited(text, values, plural) {
  if (typeof text === "string") return text;
  if (Array.isArray(text)) return text[plural[values.n < plural.length ? values.n : 100 + (values.n % 100)]];
  if ("some" in text) return suited(values.n === 0 ? text.none : text.some, values, plural);
  return suited(values.cats ? text.cats : text.objects, values, plural);
}
