// The grid layer x head: coloured by what is chosen, a stop of the Tab key with arrows, and where heads are chosen.
import { Asker, address } from "./api.js";
import { nameColours, paint, scale } from "./colours.js";
import { button, fault, format, hint, make, renew } from "./dom.js";
import { drawLegend } from "./legend.js";
import { rove } from "./roving.js";
import { change, chosen, onChange, state, toggle } from "./state.js";

const ROOMY = 9, TIGHT = 16; // heads in a row up to which a cell has room for three digits, and for two
const NOTHING =
  "Nothing colours the grid yet: score the heads by `alignbench interpret align`, or label them by `alignbench interpret label`.";
const GONE = "The colouring of this link is not there any more: this is the first of those that are.";
const SIGNED = /^(difference|loss)\./; // colourings whose 0 is the middle
const asker = new Asker();
const cells = new Map(); // by the head's name
let told = new Map(); // what the colouring says of each head

export function startGrid(world) {
  const place = document.getElementById("grid");
  const readout = make("p", { class: "readout soft" });
  const legend = make("div", { class: "legend" });
  const [gone, problem] = [make("div"), make("div")];
  place.append(colouringChoice(world), gone, drawn(world, readout), readout, legend, problem, choice(world));
  rest(readout);
  onChange((now, before) => {
    const wanted = colouring(world, now);
    gone.replaceChildren(...(now.colouring && wanted !== now.colouring ? [hint(GONE)] : []));
    if (wanted && (before.colouring === undefined || wanted !== colouring(world, before))) {
      asker.ask(
        address("/api/grid", { colouring: wanted }),
        (answer) => (problem.replaceChildren(), colour(answer, world, legend)),
        (error) => problem.replaceChildren(fault(error)),
      );
    }
    mark(now);
    const select = document.getElementById("colouring");
    if (select) {
      select.value = wanted;
      select.title = select.selectedOptions[0].text; // which may be cut off
    }
  });
}

/** The colouring that the settings name, or the first one where it is not there. */
const colouring = (world, settings) => (world.colourings.find((each) => each.id === settings.colouring) ?? world.colourings[0])?.id ?? "";

function colouringChoice(world) {
  if (!world.colourings.length) {
    return hint(world.cannot.colourings ?? NOTHING);
  }
  const select = make("select", { id: "colouring", onchange: () => change({ colouring: select.value }) });
  select.append(...world.colourings.map((each) => make("option", { value: each.id, text: each.title })));
  return make("p", { class: "row" }, make("label", { for: "colouring", text: "Coloured by" }), select);
}

function drawn(world, readout) {
  const grid = make("div", { role: "grid", class: "grid", "aria-label": "Layers and heads", "aria-multiselectable": "true" });
  grid.style.setProperty("--heads", world.heads);
  grid.classList.toggle("tight", world.heads > ROOMY);
  grid.classList.toggle("full", world.heads > TIGHT);
  const numbers = Array.from({ length: world.heads }, (_, head) => make("div", { role: "columnheader", text: head }));
  grid.append(make("div", { role: "row" }, make("div", { role: "columnheader", class: "corner", text: "layer" }), ...numbers));
  const rows = world.layers.map((layer) => {
    const names = Array.from({ length: world.heads }, (_, head) => `${layer}.${head}`);
    const all = { text: layer, title: `Layer ${layer}: a click chooses all of its heads`, onclick: () => toggle(names) };
    const title = make("div", { role: "rowheader", ...all });
    const row = [title, ...names.map((name) => cell(name, readout))];
    grid.append(make("div", { role: "row" }, ...row));
    return row;
  });
  grid.addEventListener("pointerleave", () => rest(readout));
  const stop = rove(rows, (event, element) => {
    if (event.key === " ") element.dataset.head ? toggle([element.dataset.head]) : element.click();
    else if (event.key === "Enter") element.dataset.head ? change({ head: element.dataset.head }) : element.click();
    else return;
    event.preventDefault();
  });
  if (cells.has(state().head)) stop(cells.get(state().head));
  return grid;
}

function cell(name, readout) {
  const element = make("div", { role: "gridcell", class: "cell", "data-head": name, "aria-label": `Head ${name}` });
  element.addEventListener("click", (event) => {
    element.focus();
    event.ctrlKey || event.metaKey || event.shiftKey ? toggle([name]) : change({ head: name });
  });
  const say = () => (readout.textContent = element.getAttribute("aria-label"));
  element.addEventListener("pointerenter", say);
  element.addEventListener("focus", say);
  cells.set(name, element);
  return element;
}

const rest = (readout) => (readout.textContent = "A click or Enter opens a head. Space, or a click with Ctrl or Shift, chooses it for the analyses.");

function colour(answer, world, legend) {
  told = new Map(answer.cells.map((each) => [`${each.layer}.${each.head}`, each]));
  const isName = answer.kind === "name";
  const ramp = isName ? null : scale(answer.low, answer.high, SIGNED.test(answer.id));
  const names = isName ? ordered(answer.cells) : [];
  for (const [name, element] of cells) {
    const said = told.get(name);
    const known = said && said.value !== null;
    const colours = known && !said.is_grey ? (isName ? nameColours(names.indexOf(said.text)) : ramp.colours(said.value)) : null;
    paint(element, colours);
    element.classList.toggle("grey", Boolean(said?.is_grey));
    element.classList.toggle("empty", !known);
    element.textContent = known ? (isName ? letters(said.text) : short(said.value, world.heads > ROOMY ? 2 : 3)) : "";
    element.setAttribute("aria-label", described(name, answer, said, known));
  }
  drawLegend(legend, answer, ramp, names, told, letters);
  document.getElementById("grid").dataset.colouring = answer.id;
}

/** Names that heads have, the most common first, then by the alphabet. */
function ordered(all) {
  const counts = new Map();
  for (const each of all) if (each.value !== null) counts.set(each.text, (counts.get(each.text) ?? 0) + 1);
  return [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one) || (one < other ? -1 : 1));
}

function described(name, answer, said, known) {
  const value = !known ? said?.text ?? "nothing" : answer.kind === "name" ? said.text : `${format(said.value)} ${answer.unit}`;
  return `Head ${name}: ${[value.trim(), said?.note].filter(Boolean).join("; ")}`;
}

const letters = (text) => [...text].slice(0, 3).join("");

/** A number as short as a cell: at most so many decimals, and no 0 before the point. */
const short = (value, decimals) => {
  const text = Math.abs(value) >= 100 ? format(value) : value.toFixed(Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : decimals);
  return text.replace("-", "−").replace(/^(−?)0\./, "$1.");
};

function mark(settings) {
  const names = new Set(chosen(settings));
  for (const [name, element] of cells) {
    element.setAttribute("aria-selected", String(names.has(name)));
    name === settings.head ? element.setAttribute("aria-current", "true") : element.removeAttribute("aria-current");
  }
}

/** The chosen heads, and how to choose all of them again. */
function choice(world) {
  const place = make("div", { class: "choice" });
  onChange((now) => {
    const names = chosen(now);
    const all = button("All heads", () => change({ heads: "" }));
    const chip = (name) => button(`${name} ×`, () => toggle([name]), { class: "chip", "aria-label": `Take head ${name} away` });
    renew(
      place,
      document.querySelector("#grid [tabindex='0']"),
      make("span", { text: names.length ? `Chosen (${names.length}):` : `All ${world.layers.length * world.heads} heads are asked.` }),
      ...names.map(chip),
      ...(names.length ? [all] : []),
    );
  });
  return place;
}
