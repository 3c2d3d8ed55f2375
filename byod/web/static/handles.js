/** Points that can be dragged: by pointer, and by keyboard (Tab to a point, arrow keys; Shift goes further). */

import { make, percent, say } from "./elements.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = 400; // a keypress moves a point by one of so many parts of the longer side
const FURTHER = 10;

/**
 * A layer of handles over a picture.
 *
 * @param {{width: number, height: number}} picture
 * @param {boolean} cats whether the heads are called cats
 * @param {() => void} moved is told when a point moved
 * @param {() => void} begun is told before a point is moved, once for a way of the pointer
 */
export class Handles {
  constructor(picture, cats, moved, begun) {
    this.layer = make("div", { className: "handles" });
    Object.assign(this, { picture, cats, moved, begun });
  }

  /** Show the points `names` of all heads. */
  show(heads, names) {
    this.layer.replaceChildren(
      ...heads.flatMap((head, at) =>
        names.filter((name) => head.points[name]).map((name) => this.handle(head, name, at + 1)),
      ),
    );
  }

  handle(head, name, n) {
    const { left, right } = head.parts;
    const key = name === left ? "eye_left" : name === right ? "eye_right" : "point";
    const element = make("button", {
      type: "button",
      className: key === "point" ? "handle" : "handle eye",
      role: "slider",
      label: key,
      values: { n, name: name.replaceAll("_", " "), cats: this.cats },
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    });
    element.dataset.point = name;
    element.dataset.head = n;
    element.style.width = this.room(head);
    this.place(element, head.points[name]);
    this.dragged(element, head, name);
    element.addEventListener("keydown", (event) => this.pressed(event, element, head, name));
    return element;
  }

  /** How large a handle of a head is: room for a finger, but two eyes do not cover each other. */
  room({ eyes }) {
    if (!eyes) return "";
    const apart = Math.hypot(eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]);
    return `clamp(18px, ${(100 * apart) / this.picture.width}%, 44px)`;
  }

  dragged(element, head, name) {
    let from = null; // where the pointer and the point were when it began
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, at: head.points[name] };
    });
    element.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (!from.begun) this.begun();
      from.begun = true;
      const scale = this.picture.width / this.layer.clientWidth;
      const to = [from.at[0] + (event.clientX - from.x) * scale, from.at[1] + (event.clientY - from.y) * scale];
      this.move(element, head, name, to);
    });
    for (const kind of ["pointerup", "pointercancel"]) element.addEventListener(kind, () => (from = null));
  }

  pressed(event, element, head, name) {
    const way = ARROWS[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.begun();
    const step = Math.max(1, Math.max(this.picture.width, this.picture.height) / STEPS) * (event.shiftKey ? FURTHER : 1);
    const [x, y] = head.points[name];
    this.move(element, head, name, [x + way[0] * step, y + way[1] * step]);
  }

  move(element, head, name, [x, y]) {
    const place = [within(x, this.picture.width), within(y, this.picture.height)];
    head.move(name, place);
    this.place(element, place);
    this.moved();
  }

  place(element, [x, y]) {
    const [across, down] = [within(x / this.picture.width, 1), within(y / this.picture.height, 1)];
    element.style.left = `${across * 100}%`;
    element.style.top = `${down * 100}%`;
    element.setAttribute("aria-valuenow", Math.round(across * 100));
    say(element, "at", () => ({ x: percent(across), y: percent(down) }), "aria-valuetext");
  }
}

function within(value, most) {
  return Math.min(Math.max(value, 0), most);
}
