// The analyses as tabs, and the settings that the chosen one takes: no others.
import { ANALYSES, hasPicture, headsInWords, impossible, takes } from "./analyses.js";
import { button, make } from "./dom.js";
import { startPictures } from "./pictures.js";
import { rove } from "./roving.js";
import { change, onChange, state } from "./state.js";

export function startForm(world) {
  startTabs();
  const form = document.getElementById("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  const says = make("p", { class: "says" });
  form.append(
    says,
    field("picture", startPictures(world)),
    field("text", ...textField("text", "Text", "a red star", world)),
    field("against", ...textField("against", "Against", "a blue star", world)),
    field("dataset", ...choiceField("dataset", "Judgments", world.can.people.map((name) => [name, name]))),
    field("pairs", ...choiceField("pairs", "Pairs", [["all", "all pictures"], ["picture", "those of one picture"]])),
    field("other", ...choiceField("other", "Compared with", world.can.others.map((each) => [each.id, each.title]))),
    field("other_heads", ...textField("other_heads", "Heads there", "the same", world)),
    field("together", ...choiceField("together", "Heads", [["", "one by one"], ["1", "all together"]])),
    field("measure", ...choiceField("measure", "Measure", world.measures.map((each) => [each.id, each.unit]))),
    field("count", ...countField(world)),
  );
  onChange((now) => {
    says.textContent = `${ANALYSES[now.analysis]?.says ?? ""} Asked of ${headsInWords(now, world)}.`;
    const cannot = Boolean(impossible(now, world));
    for (const each of form.querySelectorAll("[data-field]")) {
      const name = each.dataset.field;
      each.hidden = cannot || !(name === "picture" ? hasPicture(now) : takes(now, name));
    }
    for (const input of form.querySelectorAll("[data-setting]")) show(input, now[input.dataset.setting]);
    const count = document.getElementById("count");
    count.placeholder = world.counts[now.analysis] ?? "";
  });
}

/** Show a setting, also one that the page does not offer, so that what is asked can be seen. */
function show(input, value) {
  if (input.tagName === "SELECT") {
    if (!value) return void (input.selectedIndex = 0);
    if (![...input.options].some((option) => option.value === value)) input.append(make("option", { value, text: value }));
  }
  if (input.value !== value) input.value = value;
}

function startTabs() {
  const tabs = Object.entries(ANALYSES).map(([name, { title }]) => {
    const open = () => change({ analysis: name, why: "", count: "" });
    return button(title, open, { role: "tab", id: `tab-${name}`, "aria-controls": "panel" });
  });
  document.getElementById("tabs").append(...tabs);
  const stop = rove([tabs]);
  onChange((now) => {
    for (const tab of tabs) {
      const is = tab.id === `tab-${now.analysis}`;
      tab.setAttribute("aria-selected", String(is));
      if (is) stop(tab);
    }
    document.getElementById("panel").setAttribute("aria-labelledby", `tab-${now.analysis}`);
    document.title = `${ANALYSES[now.analysis]?.title ?? "Heads"} – heads – alignbench`;
  });
}

const field = (name, ...parts) => make("div", { class: `field ${name}`, "data-field": name }, ...parts);

function textField(id, label, example, world) {
  const maxlength = world.limits.text_letters;
  const input = make("input", { id, type: "text", "data-setting": id, placeholder: example, maxlength, spellcheck: "false" });
  input.addEventListener("change", () => change({ [id]: input.value, why: "" }));
  return [make("label", { for: id, text: label }), input];
}

function choiceField(id, label, options) {
  const select = make("select", { id, "data-setting": id }, ...options.map(([value, text]) => make("option", { value, text })));
  select.addEventListener("change", () => change({ [id]: select.value }));
  return [make("label", { for: id, text: label }), select];
}

function countField(world) {
  const input = make("input", { id: "count", type: "number", min: 1, max: world.limits.neighbours, step: 1, "data-setting": "count" });
  input.addEventListener("change", () => change({ count: input.value, why: state().why }));
  return [make("label", { for: "count", text: "How many" }), input];
}
