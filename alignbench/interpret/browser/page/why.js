// Why a picture is near: the similarity as a sum over the texts of the heads, and what no text says.
import { bar, button, make, number } from "./dom.js";

const FIRST = 12; // texts at once; the others are one line until they are asked for

export function whyTable(answer) {
  const sum = answer.shares.slice(FIRST).reduce((total, each) => total + each.value, 0);
  const largest = Math.max(...[...answer.shares.map((each) => each.value), sum, answer.rest].map(Math.abs));
  const line = (text, head, value) => {
    const share = make("td", { class: "numbers" }, bar(value, largest, true), number(value));
    return make("tr", {}, make("th", { scope: "row", text }), make("td", { class: "numbers", text: head }), share);
  };
  const rows = answer.shares.map((each) => line(each.text, `${each.heads} #${each.pick}`, each.value));
  const body = make("tbody", {}, ...rows.slice(0, FIRST));
  const others = rows.slice(FIRST);
  if (others.length) {
    const folded = line(`${others.length} other texts`, "", sum);
    const show = button("show", () => folded.replaceWith(...others), { class: "link" });
    folded.children[1].append(show);
    body.append(folded);
  }
  body.append(line("what none of the texts says", "", answer.rest));
  const whole = make("td", { class: "numbers" }, number(answer.value, answer.unit));
  const total = make("tr", {}, make("th", { scope: "row", text: "the similarity" }), make("td"), whole);
  const head = make("tr", {}, ...["text", "head and pick", "its share"].map((text) => make("th", { scope: "col", text })));
  return make("div", { class: "scroll" }, make("table", { class: "why" }, make("thead", {}, head), body, make("tfoot", {}, total)));
}
