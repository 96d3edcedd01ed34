// Neighbours of a picture or a text, head by head or together, with the reason of each.
import { hasPicture } from "./analyses.js";
import { Asker, address } from "./api.js";
import { button, fault, make, number, plural } from "./dom.js";
import { change, state } from "./state.js";
import { figure } from "./thumbnail.js";
import { whyTable } from "./why.js";

const asker = new Asker();

export function showNeighbours(answer, world, settings) {
  const unit = make("p", { class: "soft", text: `Numbers: ${answer.unit}, the nearest first.` });
  const groups = answer.groups.map((group) => {
    const items = group.items.map((item) => make("li", {}, neighbour(item, world, group.heads)));
    const parts = [headsTitle(group.heads), make("ol", { class: "strip" }, ...items), make("div", { class: "reasons" })];
    return make("section", { class: "group", "data-heads": group.heads }, ...parts);
  });
  const shown = make("div", {}, unit, ...groups);
  showReasons(shown, world, settings);
  return [shown];
}

/** The heads of a group; one alone is opened by a click, many are counted. */
export function headsTitle(heads, also = "") {
  const names = heads.split(",");
  if (names.length === 1) {
    return make("h3", {}, button(`Head ${heads}`, () => change({ head: heads }), { class: "link" }), also);
  }
  const list = names.length > 12 ? plural(names.length, "head") : `Heads ${names.join(", ")}`;
  return make("h3", { text: `${list}, together${also}` });
}

function neighbour(item, world, heads) {
  const key = `${item.picture}@${heads.includes(",") ? "" : heads}`;
  const pressed = () => change({ why: state().why === key ? "" : key });
  const why = button("why", pressed, { "data-why": key, "aria-expanded": "false", "aria-label": `why ${item.name}` });
  return figure(world, item, number(item.value), make("span", { class: "buttons" }, world.can.why ? why : null, useIt(item)));
}

/** The button that asks about a picture that was found. */
export function useIt(item) {
  const analysis = hasPicture(state()) ? state().analysis : "picture";
  const use = () => change({ picture: String(item.picture), upload: null, why: "", analysis });
  return button("as query", use, { "aria-label": `as query: ${item.name}`, title: "Use this picture as the query" });
}

/** Open the reasons of the neighbour that the settings name, and close all others. */
export function showReasons(place, world, settings) {
  asker.stop();
  const { why } = state();
  for (const group of place.querySelectorAll(".group")) {
    const shown = group.querySelector(".reasons");
    let open = false;
    for (const each of group.querySelectorAll("[data-why]")) {
      const is = each.dataset.why === why;
      each.setAttribute("aria-expanded", String(is));
      open ||= is;
      if (is) explain(shown, world, settings, each.closest("figure"));
    }
    if (!open) shown?.replaceChildren();
  }
}

function explain(shown, world, settings, found) {
  const title = make("h4", { text: `Why ${found.querySelector(".name").textContent}` });
  const group = found.closest(".group").dataset.heads;
  const heads = group.includes(",") ? settings.heads : group; // all of them have no name in an address
  asker.ask(
    address("/api/why", { ...settings, heads, neighbour: found.dataset.picture }),
    (answer) => shown.replaceChildren(title, whyTable(answer)),
    (error) => shown.replaceChildren(title, fault(error)),
  );
}
