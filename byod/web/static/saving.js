/** Giving the person a file. */

const KEPT = 60_000; // milliseconds a browser gets to begin with it

export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** "photo.of.a.cat.jpg" -> "photo.of.a.cat-<what>.<suffix>" */
export function named(file, what, suffix) {
  const stem = file.name?.replace(/\.[^.]*$/, "") || "picture";
  return `${stem}-${what}.${suffix}`;
}
