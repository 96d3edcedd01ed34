// Pairs of pictures that people find alike, with how alike a head finds them among all judged pairs.
import { bar, format, make, number, plural } from "./dom.js";
import { headsTitle, useIt } from "./neighbours.js";
import { figure } from "./thumbnail.js";

export function showPairs(answer, world) {
  const says = make("p", {
    class: "soft",
    text: `People: ${answer.people_unit}. Head: ${answer.unit}. Rank: 100 is the pair that the head finds most alike of all judged pairs.`,
  });
  const groups = answer.groups.map((group) => {
    const items = group.items.map((item) => make("li", {}, pair(item, world)));
    const list = make("ol", { class: "pair-list" }, ...items);
    return make("section", { class: "group", "data-heads": group.heads }, headsTitle(group.heads), list);
  });
  return [says, ...groups];
}

function pair(item, world) {
  const numbers = make("dl", { class: "facts" });
  const say = (term, ...what) => numbers.append(make("div", {}, make("dt", { text: term }), make("dd", {}, ...what)));
  say("people", number(item.people), item.count ? make("span", { class: "soft", text: ` (${plural(item.count, "judgment")})` }) : null);
  say("head", number(item.value));
  say("rank", bar(item.rank, 100), make("data", { value: item.rank, text: `${format(item.rank)} of 100` }));
  const picture = (each) => figure(world, each, make("span", { class: "buttons" }, useIt(each)));
  return make("div", { class: "pair" }, picture(item.first), picture(item.second), numbers);
}
