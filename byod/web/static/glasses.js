/** The glasses: drawings (glasses/<name>.svg, and their lenses apart) and where the middle of each lens lies in them. */

export const WIDTH = 440;
export const HEIGHT = 220;
/** The middles of the lenses, left and right for the viewer, in the drawings' own units. */
export const LENSES = [
  [120, 100],
  [320, 100],
];
export const KINDS = ["aviator", "wayfarer", "round", "cateye", "heart", "pixel"];

const opened = new Map();

/** The drawing of one kind: {frame, lenses}, pictures to draw at WIDTH x HEIGHT. */
export function glasses(kind) {
  if (!KINDS.includes(kind)) throw new Error(`no glasses are called ${kind}`);
  if (!opened.has(kind)) opened.set(kind, both(kind));
  return opened.get(kind);
}

/** Where the drawings of one kind lie: [lenses, frame], in the order they are laid on each other. */
export function addresses(kind) {
  return [`glasses/${kind}-lenses.svg`, `glasses/${kind}.svg`].map((path) => new URL(path, import.meta.url).href);
}

async function both(kind) {
  const [lenses, frame] = await Promise.all(addresses(kind).map(picture));
  return { frame, lenses };
}

async function picture(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
