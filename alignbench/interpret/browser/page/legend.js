// What the colours of the grid mean: a ramp with its unit and ends, or names, whose heads are chosen by a click.
import { nameColours, paint } from "./colours.js";
import { button, format, make } from "./dom.js";
import { change, inOrder } from "./state.js";

export function drawLegend(place, answer, ramp, names, told, letters) {
  const parts = ramp ? [rampBar(answer, ramp)] : [nameList(names, told, letters)];
  const grey = answer.cells.some((each) => each.is_grey) ? make("span", { class: "swatch grey", "aria-hidden": "true" }) : null;
  const note = answer.note || "hatched: not separable; the reason is at each head";
  if (answer.note || grey) parts.push(make("p", { class: "key" }, grey, note));
  place.replaceChildren(make("p", { class: "key", text: answer.title }), ...parts);
}

function rampBar(answer, ramp) {
  const [first, last] = [format(ramp.first), format(ramp.last)];
  const line = make("div", { class: "ramp", role: "img", "aria-label": `Colours from ${first} to ${last}, ${answer.unit}` });
  line.style.backgroundImage = ramp.gradient;
  const ends = make("div", { class: "ends" }, ...[first, answer.unit, last].map((text) => make("span", { text })));
  return make("div", {}, line, ends);
}

function nameList(names, told, letters) {
  const list = make("ul", { class: "names", "aria-label": "Names: a click chooses their heads" });
  names.forEach((name, place) => {
    const heads = [...told].filter(([, each]) => each.value !== null && each.text === name).map(([head]) => head);
    const swatch = make("span", { class: "swatch", "aria-hidden": "true", text: letters(name) });
    paint(swatch, nameColours(place));
    const choose = () => change({ heads: inOrder(heads).join(",") });
    list.append(make("li", {}, button("", choose, { title: "Choose these heads" }, swatch, `${name} (${heads.length})`)));
  });
  return list;
}
