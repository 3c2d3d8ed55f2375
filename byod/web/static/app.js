/** The page: a place for pictures to come in, the model they are shown to, and a card for each of them. */

import { Card } from "./card.js";
import { currentLanguage, hush, languageButtons, make, percent, say } from "./elements.js";
import { roles } from "./heads.js";
import { intake } from "./intake.js";
import { hasCamera, live } from "./live.js";
import { panel } from "./panel.js";
import { Refused } from "./refusals.js";
import { sureness } from "./sureness.js";

const MOST = 30; // pictures on the page: each keeps a few megabytes
const TOGETHER = 2; // pictures shown to the model at one time

const cards = new Set();
const waiting = [];
let working = 0;

async function begin() {
  document.documentElement.lang = currentLanguage();
  const top = document.querySelector("header.top");
  top.append(languageButtons());
  const notice = document.querySelector("#notice");
  say(notice, "opening");
  const kind = document.querySelector("meta[name=byod-predictor]").content;
  let predictor;
  try {
    predictor = await (await import(`./predictor-${kind}.js`)).open();
  } catch (fault) {
    failed(fault, notice);
    return;
  }
  if (predictor.ready) coming(predictor, notice);
  else hush(notice);
  await furnish(predictor, notice);
}

/** Say how far the model has come, while the page can be used already. */
function coming({ ready, progress }, notice) {
  progress((share) => say(notice, "coming", () => ({ percent: percent(share) })));
  ready.then(
    () => hush(notice),
    (fault) => failed(fault, notice),
  );
}

function failed(fault, notice) {
  if (!(fault instanceof Refused)) throw fault;
  say(notice, fault.reason === "no_model_here" ? fault.reason : "no_model");
  if (fault.message) console.error(fault.message);
  notice.classList.add("bad");
}

async function furnish(predictor, notice) {
  const { model } = predictor;
  const parts = roles(model.points ?? {});
  const cats = parts.left === "eye_image_left";
  const desk = { predictor, model, parts, cats, look: null, host: location.host };
  introduce(desk);
  const list = document.querySelector("#pictures");
  const said = make("p", { className: "note bad", role: "status" });
  const taken = (files) => take(files, desk, list, said);
  const place = intake(taken, (names) => say(said, names.length ? "no_pictures" : "not_pictures", { n: names.length, names: names.join(", ") }));
  if (cats) place.append(sample(taken));
  notice.before(place, said, whereTo(desk));
  desk.sure = sureness(model, () => cards.forEach((card) => card.reconsider()));
  if (parts.left) {
    const { element, sliders, look } = await panel(() => cards.forEach((card) => card.redraw()));
    desk.look = look;
    if (desk.sure.element) sliders.append(desk.sure.element);
    list.before(element);
    if (hasCamera()) {
      const { button, place: shown } = live(desk, taken);
      place.querySelector(".buttons").append(button);
      element.before(shown);
    }
  } else if (desk.sure.element) {
    list.before(make("div", { className: "panel" }, desk.sure.element));
  }
  document.documentElement.dataset.ready = "yes";
}

/** Title, what the model does, and what it is. */
function introduce({ predictor, model, cats }) {
  const classes = model.classes?.join(", ");
  say(document.querySelector("title"), `title_${model.task}`, { cats });
  say(document.querySelector("h1"), `title_${model.task}`, { cats });
  say(document.querySelector("#about"), `about_${model.task}`, { cats, classes });
  const foot = document.querySelector("footer");
  foot.replaceChildren(make("span", { say: "model", values: { run: model.run, plugin: model.plugin, arch: model.arch } }));
  if (predictor.docs) foot.append(" · ", make("a", { href: predictor.docs, say: "api" }));
}

/** Where the pictures go. */
function whereTo({ predictor, host }) {
  const told = make("p", { className: "quiet where" }, make("span", { say: `place_${predictor.place}`, values: { host } }));
  if (predictor.place !== "device") {
    told.append(" ", make("span", { say: predictor.report ? "keeps_reports" : "keeps_nothing" }));
  }
  return told;
}

/** A cat to try it with: Chelsea, photographed by Stéfan van der Walt, who gave it to everybody (CC0). */
function sample(taken) {
  const address = new URL("chelsea.jpg", import.meta.url);
  const picture = make("img", { src: address.href, alt: "", width: 96, height: 64 });
  const button = make("button", { type: "button", className: "sample" }, picture, make("span", { say: "sample" }));
  button.addEventListener("click", async () => {
    const content = await (await fetch(address)).blob();
    taken([new File([content], "chelsea.jpg", { type: "image/jpeg" })]);
  });
  return button;
}

function take(files, desk, list, said) {
  hush(said);
  const room = MOST - cards.size;
  if (files.length > room) say(said, "too_many", { most: MOST });
  const fresh = files.slice(0, room).map((file) => {
    const card = new Card(file, desk, () => cards.delete(card));
    cards.add(card);
    return card;
  });
  if (fresh.length === 0) return;
  document.body.classList.add("begun");
  list.prepend(...fresh.map((card) => card.element));
  fresh[0].leads = true;
  waiting.push(...fresh);
  work();
}

/** Show the next pictures to the model. */
function work() {
  while (working < TOGETHER && waiting.length > 0) {
    working++;
    const card = waiting.shift();
    card.run().finally(() => {
      if (card.leads) card.element.scrollIntoView({ block: "start" }); // what came of it is in view, on a phone too
      working--;
      work();
    });
  }
}

begin();
