/**
 * What cannot be done: `reason` is a key of page_texts.json, the message more about it, in English as byod says it, or nothing.
 */
export class Refused extends Error {
  constructor(reason, line = "") {
    super(line);
    this.reason = reason;
  }
}
