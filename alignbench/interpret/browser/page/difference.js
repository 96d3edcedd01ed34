// Neighbours before and after, side by side; those that both have are marked.
import { make, number } from "./dom.js";
import { headsTitle, useIt } from "./neighbours.js";
import { figure } from "./thumbnail.js";

export function showDifference(answer, world, settings) {
  const other = world.can.others.find((each) => each.id === settings.other)?.title ?? "the other";
  const meant = "Shared: the part of the neighbours that both have. Correlation: Spearman's, of the similarities to all other pictures.";
  const says = make("p", { class: "soft", text: `Numbers: ${answer.unit}. ${meant}` });
  const groups = answer.groups.map((group) => {
    const both = new Set(group.before.map((each) => each.picture).filter((each) => group.after.some((item) => item.picture === each)));
    const unlike = group.others && group.others !== group.heads ? `, there ${group.others}` : "";
    const numbers = make("p", { class: "row" }, "shared ", number(group.shared), " correlation ", number(group.correlation));
    return make(
      "section", { class: "group", "data-heads": group.heads }, headsTitle(group.heads, unlike), numbers,
      make("div", { class: "sides" }, side("Here", group.before, both, world), side(other, group.after, both, world)),
    );
  });
  return [says, ...groups];
}

function side(title, items, both, world) {
  const list = items.map((item) => {
    const mark = both.has(item.picture) ? make("span", { class: "both", text: "in both" }) : null;
    return make("li", {}, figure(world, item, number(item.value), mark, make("span", { class: "buttons" }, useIt(item))));
  });
  return make("div", {}, make("h4", { text: title }), make("ol", { class: "strip small" }, ...list));
}
