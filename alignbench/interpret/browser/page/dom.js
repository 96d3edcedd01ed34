// Elements and numbers. All text goes in as text, never as HTML.

/** Make an element: `text` is its text, `onNAME` listens, other names are attributes; null and false are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button that does something. */
export function button(text, onclick, attributes = {}, ...children) {
  return make("button", { type: "button", text, onclick, ...attributes }, ...children);
}

/** Three digits that count, whole numbers as they are, and a true minus sign; a dash where there is no number. */
export function format(value, digits = 3) {
  if (value === null || value === undefined || value === "") return "–";
  const size = Math.abs(value);
  const isPlain = Number.isInteger(value) || size >= 1000;
  const text = isPlain ? String(Math.round(value)) : size < 1e-4 ? value.toExponential(digits - 1) : value.toPrecision(digits);
  return text.replaceAll("-", "−");
}

/** A number as people read it, with all of its digits in the element. */
export function number(value, unit = "") {
  const text = unit ? `${format(value)} ${unit}` : format(value);
  return make("data", { value: value ?? "", text });
}

/** A bar from 0 to a number, in shares of the largest: to the right above 0, to the left below where `signed`. */
export function bar(value, largest, signed = false) {
  const share = largest > 0 ? Math.min(1, Math.abs(value) / largest) : 0;
  const fill = make("span", { class: value < 0 ? "fill below" : "fill" });
  const half = signed ? 50 : 100;
  fill.style.width = `${half * share}%`;
  fill.style.marginInlineStart = signed ? `${value < 0 ? 50 - 50 * share : 50}%` : "0";
  return make("span", { class: signed ? "bar signed" : "bar", "aria-hidden": "true" }, fill);
}

/** Put other parts into a place; where the focus was on one that goes, it goes to `next`, and not to the top of the page. */
export function renew(place, next, ...parts) {
  const had = place.contains(document.activeElement);
  place.replaceChildren(...parts);
  if (had && !place.contains(document.activeElement)) next?.focus({ preventScroll: true });
}

/** A line that says what went wrong. */
export const fault = (text) => make("p", { class: "fault", role: "alert", text });

/** A line that says what to do where there is nothing to show. */
export const hint = (text) => make("p", { class: "hint", text });

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
