/** What a person chose on this page, kept by the browser for the next visit; where it keeps nothing, nothing is lost. */

const NAMES = "byod.";

/** What was kept under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(NAMES + name);
  } catch (fault) {
    if (!(fault instanceof DOMException)) throw fault; // a browser that keeps nothing says so in this way
    return null;
  }
}

export function remember(name, text) {
  try {
    localStorage.setItem(NAMES + name, text);
  } catch (fault) {
    if (!(fault instanceof DOMException)) throw fault;
  }
}
