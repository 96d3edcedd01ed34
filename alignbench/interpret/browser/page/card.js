// The card of the opened head: label, judges, people's judgments, texts, nearest pictures, and where it looks.
import { Asker, address } from "./api.js";
import { reason } from "./analyses.js";
import { bar, button, fault, format, hint, make, number, renew } from "./dom.js";
import { drawMap } from "./map.js";
import { change, chosen, onChange, toggle } from "./state.js";
import { figure } from "./thumbnail.js";

const NEAREST = 6;
const [cardAsker, nearestAsker, looksAsker] = [new Asker(), new Asker(), new Asker()];

export function startCard(world) {
  const body = document.getElementById("card-body");
  const title = document.getElementById("card-title");
  const looks = make("div", { class: "looks" });
  onChange((now, before) => {
    if (now.head !== before.head) {
      title.textContent = now.head ? `Head ${now.head}` : "Head";
      document.querySelector("[data-part=card-title]").textContent = title.textContent;
      [cardAsker, nearestAsker, looksAsker].forEach((asker) => asker.stop());
      if (!now.head) return renew(body, title, hint("Open a head in the grid to see what it says."));
      const [layer, head] = now.head.split(".");
      cardAsker.ask(
        address("/api/head", { layer, head }),
        (card) => renew(body, title, ...drawn(world, card, now.head), looks),
        (error) => renew(body, title, fault(error)),
      );
    }
    const isOther = ["head", "picture", "upload"].some((name) => now[name] !== before[name]);
    if (now.head && isOther) showLooks(world, now, looks);
    for (const each of body.querySelectorAll("[data-choose]")) each.textContent = chooseWords(now.head);
  });
}

const chooseWords = (name) => (chosen().includes(name) ? "Take it out of the chosen heads" : "Add to the chosen heads");

function drawn(world, card, name) {
  const choose = button(chooseWords(name), () => toggle([name]), { "data-choose": name });
  const alone = button("Choose it alone", () => change({ heads: name }));
  const close = button("Close", () => change({ head: "" }));
  const nearest = make("div", { class: "nearest" });
  const buttons = make("p", { class: "row" }, alone, choose, close);
  const parts = [buttons, facts(card), people(card), texts(world, card), further(world, card), nearest];
  if (card.texts.length) showNearest(world, name, card.texts[0].text, nearest);
  return parts.filter(Boolean);
}

/** The label, and what was found out about it; of what is not known nothing is said. */
function facts(card) {
  const list = make("dl", { class: "facts" });
  const say = (term, value, ...what) => {
    if (value !== null && value !== undefined) list.append(make("div", {}, make("dt", { text: term }), make("dd", {}, ...what)));
  };
  const source = card.source === "example" ? " (given as an example)" : null;
  say("Label", card.label, make("strong", { text: card.label || "none: the labeller abstains" }), source);
  say("Margin", card.margin, number(card.margin));
  say("Other heads of this label", card.others, number(card.others));
  say("Judged texts that agree", card.judged, `${card.agreeing} of ${card.judged}`);
  say("Consistency (CCS)", card.consistency, number(card.consistency), " of the first 5");
  say("Entropy of its texts", card.entropy, number(card.entropy, "bits"));
  return list.children.length ? list : hint("No label: make one by `alignbench interpret label`.");
}

/** What other folders of texts, labels and scores say. */
function further(world, card) {
  if (!card.further.length) return null;
  const parts = card.further.flatMap((each) => [make("h4", { text: each.title }), facts(each), texts(world, each)]);
  return make("details", {}, make("summary", { text: `Other labels and texts (${card.further.length})` }), ...parts);
}

/** Scores against people's judgments, with intervals. */
function people(card) {
  if (!card.people.length) return hint("No scores against people: make them by `alignbench interpret align`.");
  const ends = card.people.flatMap((each) => [each.value, each.low, each.high]).filter((value) => value !== null);
  const [low, high] = [Math.min(0, ...ends), Math.max(1e-9, ...ends)];
  const rows = card.people.map((each) => {
    const row = make("tr", {}, make("th", { scope: "row", text: each.title }));
    const isKnown = each.low !== null && each.high !== null;
    const interval = isKnown ? make("span", { class: "soft", text: ` ${format(each.low)} to ${format(each.high)}` }) : null;
    const p = each.p_subspace ?? each.p_choices;
    const told = each.is_separable === null ? "no null was computed" : each.is_separable ? "separable" : "not separable";
    row.append(
      make("td", {}, whiskers(each, low, high), number(each.value), interval, make("span", { class: "soft", text: ` ${each.unit}` })),
      make("td", { text: p === null || p === undefined ? told : `${told}, p = ${format(p, 2)}` }),
    );
    return row;
  });
  return table("Human alignment", ["judgments", "score and interval", "from the null"], rows);
}

function whiskers(each, low, high) {
  const place = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const dot = make("span", { class: "dot" });
  dot.style.insetInlineStart = place(each.value ?? 0);
  const line = make("span", { class: "line" });
  line.style.insetInlineStart = place(each.low ?? each.value ?? 0);
  line.style.insetInlineEnd = `calc(100% - ${place(each.high ?? each.value ?? 0)})`;
  return make("span", { class: "whiskers", "aria-hidden": "true" }, line, dot);
}

function texts(world, card) {
  if (!card.texts.length) return hint("No texts: find them by `alignbench interpret textspan`.");
  const most = Math.max(...card.texts.map((each) => each.deviation ?? 0));
  const rows = card.texts.map((each) => {
    const find = () => change({ analysis: "text", text: each.text, why: "" });
    const ask = button(each.text, find, { class: "link", title: "Find pictures by this text" });
    const votes = each.votes.map((vote) => `judge ${vote.judge}: ${vote.agrees ? "agrees" : "does not agree"}`).join(", ");
    return make(
      "tr", {},
      make("td", { class: "count", text: each.pick }),
      make("td", {}, world.can.texts ? ask : each.text, votes ? make("span", { class: "soft votes", text: votes }) : null),
      make("td", { class: "numbers" }, bar(each.deviation ?? 0, most), number(each.deviation)),
      make("td", { class: "numbers" }, number(each.margin)),
    );
  });
  return table("Texts", ["", "text", "deviation", "margin"], rows);
}

function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map((text) => (text ? make("th", { scope: "col", text }) : make("td"))));
  const parts = [make("caption", { text: caption }), make("thead", {}, head), make("tbody", {}, ...rows)];
  return make("div", { class: "scroll" }, make("table", {}, ...parts));
}

/** The pictures of which the head says most what its first text says. */
function showNearest(world, name, text, place) {
  const title = make("h3", { text: "Nearest pictures to its first text" });
  if (!world.can.texts) return place.replaceChildren(title, hint(reason(world, "texts")));
  nearestAsker.ask(
    address("/api/search", { analysis: "text", heads: name, text, count: NEAREST }),
    (answer) => {
      const items = answer.groups[0].items.map((item) => make("li", {}, figure(world, item, number(item.value))));
      place.replaceChildren(title, make("ol", { class: "strip small" }, ...items), make("p", { class: "soft", text: answer.unit }));
    },
    (error) => place.replaceChildren(title, fault(error)),
  );
}

function showLooks(world, settings, place) {
  const title = make("h3", { text: "Where it looks in the picture" });
  if (!world.can.maps) return place.replaceChildren(title, hint(reason(world, "maps")));
  const asked = settings.upload ? { upload: settings.upload.upload } : { picture: settings.picture };
  looksAsker.ask(
    address("/api/search", { analysis: "attention", heads: settings.head, ...asked }),
    (answer) => place.replaceChildren(title, drawMap(answer, { title: `Attention of head ${settings.head}` })),
    (error) => place.replaceChildren(title, fault(error)),
  );
}
