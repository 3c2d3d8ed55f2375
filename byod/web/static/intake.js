/** How pictures come in: chosen, photographed, dropped anywhere on the page, or pasted. */

import { make } from "./elements.js";

const TYPES = "image/jpeg,image/png,image/webp,image/gif,image/bmp,image/tiff,image/avif,image/heic,image/jxl,image/jp2,image/x-portable-anymap,image/x-tga,image/x-icon,image/vnd.adobe.photoshop,image/x-adobe-dng,image/x-canon-cr2,image/x-nikon-nef,image/x-sony-arw";

/** The place to drop; `taken` gets a list of files, `refused` of the names of others that came along, or that nothing is one. */
export function intake(taken, refused) {
  const given = (files) => {
    const isPicture = (file) => file.type === "" || file.type.startsWith("image/");
    const pictures = [...files].filter(isPicture);
    const others = [...files].filter((file) => !isPicture(file));
    if (pictures.length > 0) taken(pictures);
    if (pictures.length === 0) refused([]);
    else if (others.length > 0) refused(others.map((file) => file.name));
  };
  const element = make(
    "div",
    { className: "intake" },
    make("p", { say: "drop" }),
    make("div", { className: "buttons" }, chooser("choose", given, { multiple: true, accept: TYPES }), camera(given)),
    make("p", { className: "quiet paste", say: "paste" }),
  );
  dropping(element, given);
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    given(event.clipboardData.files);
  });
  return element;
}

function chooser(key, given, how) {
  const input = make("input", { type: "file", className: "unseen", ...how });
  input.addEventListener("change", () => {
    if (input.files.length > 0) given(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
  return make("label", { className: key === "choose" ? "button main" : "button" }, make("span", { say: key }), input);
}

/** A button for the camera, on devices that are held in a hand. */
function camera(given) {
  const chosen = chooser("photograph", given, { accept: "image/*" });
  chosen.querySelector("input").setAttribute("capture", "environment");
  chosen.classList.add("camera");
  return chosen;
}

function dropping(element, given) {
  let inside = 0; // entered minus left: both come for every element below the pointer
  const over = (change) => {
    inside = Math.max(0, inside + change);
    element.classList.toggle("over", inside > 0);
  };
  const files = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => files(event) && over(1));
  document.addEventListener("dragleave", (event) => files(event) && over(-1));
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser would leave the page for the picture
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(-inside);
    given(event.dataTransfer.files);
  });
}
