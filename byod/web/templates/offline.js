/* A service worker that keeps the page: once opened, it works without a network. EDITION and FILES stand above. */

const NAME = `byod ${registration.scope} `;

addEventListener("install", (event) => {
  // asked for anew, so that no half of an older page comes in
  const fresh = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME + EDITION).then((kept) => kept.addAll(fresh)));
});

addEventListener("activate", (event) => {
  const old = (name) => name.startsWith(NAME) && name !== NAME + EDITION; // other pages of this host keep theirs
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name)))));
});

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answered(event.request));
});

async function answered(request) {
  const kept = await caches.open(NAME + EDITION);
  return (await kept.match(request, { ignoreSearch: true })) ?? fetch(request);
}
