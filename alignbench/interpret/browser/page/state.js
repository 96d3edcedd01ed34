// The settings are in the fragment of the address: a link shows the same view, and back and forward work.
// An uploaded picture is none of them: it belongs to this tab's history alone.

const DEFAULTS = {
  analysis: "property", heads: "", picture: "0", text: "", against: "", measure: "dot", count: "", dataset: "",
  pairs: "all", other: "", other_heads: "", together: "", colouring: "", head: "", why: "", opacity: "70",
};
const listeners = [];
let current = read();

/** The settings now: texts by name, and `upload`, which is null or what the server said of the picture. */
export const state = () => current;

/** Call `listener(now, before)` after each change, and once at the start. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Change settings: a step in the history, or none where `replace` (a slider). */
export function change(settings, replace = false) {
  const next = { ...current, ...settings };
  const address = `#${fragment(next)}`;
  if (address === `#${fragment(current)}` && next.upload === current.upload) return;
  history[replace ? "replaceState" : "pushState"]({ upload: next.upload }, "", address);
  tell(next);
}

/** The heads that are chosen, by name; none is all. */
export const chosen = (settings = current) => settings.heads.split(",").filter(Boolean);

/** Heads by name, in the order of layers and heads. */
export function inOrder(names) {
  const places = (name) => name.split(".").map(Number);
  return [...new Set(names)].sort((one, other) => places(one)[0] - places(other)[0] || places(one)[1] - places(other)[1]);
}

/** Add a head to the chosen ones, or take it away. */
export function toggle(names) {
  const has = new Set(chosen());
  const all = names.every((name) => has.has(name));
  for (const name of names) all ? has.delete(name) : has.add(name);
  change({ heads: inOrder([...has]).join(",") });
}

export function start() {
  addEventListener("popstate", reread);
  addEventListener("hashchange", reread);
  for (const listener of listeners) listener(current, {});
}

function reread() {
  const next = read();
  if (fragment(next) !== fragment(current) || next.upload?.upload !== current.upload?.upload) tell(next);
}

function tell(next) {
  const before = current;
  current = next;
  for (const listener of listeners) listener(current, before);
}

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const settings = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) settings[name] = given.get(name);
  return { ...settings, upload: history.state?.upload ?? null };
}

function fragment(settings) {
  const kept = Object.keys(DEFAULTS).filter((name) => settings[name] !== DEFAULTS[name]);
  return new URLSearchParams(kept.map((name) => [name, settings[name]])).toString().replaceAll("%2C", ",");
}
