/** The states that something was in before each change, to go back to, one after the other. */

const MOST = 100;

export class Past {
  constructor() {
    this.states = [];
  }

  get empty() {
    return this.states.length === 0;
  }

  /** Keep a state, unless it is the one that was kept last. */
  keep(state) {
    if (JSON.stringify(this.states.at(-1)) === JSON.stringify(state)) return;
    this.states.push(state);
    if (this.states.length > MOST) this.states.shift();
  }

  /** The last state that was kept, which is not kept any longer. */
  back() {
    return this.states.pop();
  }
}
