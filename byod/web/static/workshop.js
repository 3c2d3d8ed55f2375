/** The page's end of a worker: questions with answers, beside which the page stays alive. */

import { Refused } from "./refusals.js";

export class Workshop {
  /** @param {URL} script of the worker, a module */
  constructor(script) {
    this.open = new Map();
    this.last = 0;
    // a worker from a blob keeps to the page's Content-Security-Policy; one from an address has only its own, none
    const start = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: "text/javascript" }));
    this.worker = new Worker(start, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.answered(data));
    this.worker.addEventListener("error", (event) => this.broken(event.message ?? ""));
    this.worker.addEventListener("messageerror", () => this.broken(""));
  }

  /** The answer to a question; `handOver` are buffers that need not be copied, `progress` is told the share done. */
  ask(what, parts, { signal, handOver = [], progress } = {}) {
    const number = ++this.last;
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.worker.postMessage({ number, what: "stop" });
        this.open.delete(number);
        reject(signal.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.open.set(number, { resolve, reject, progress, done: () => signal?.removeEventListener("abort", stop) });
      this.worker.postMessage({ number, what, ...parts }, handOver);
    });
  }

  answered({ number, said, refused, share }) {
    const asked = this.open.get(number);
    if (!asked) return; // it was stopped
    if (share !== undefined) {
      asked.progress?.(share);
      return;
    }
    this.open.delete(number);
    asked.done();
    if (refused) asked.reject(new Refused(refused.reason, refused.line));
    else asked.resolve(said);
  }

  /** The worker is gone: nobody waits for it any longer. */
  broken(line) {
    for (const { reject, done } of this.open.values()) {
      done();
      reject(new Refused("no_model_here", line));
    }
    this.open.clear();
  }
}
