// The result as a file, and the address of this view.
import { address } from "./api.js";
import { button, make } from "./dom.js";

const UPLOADED =
  "Your picture is not in the link: it stays in this session alone. The link opens the picture of the folder that you had before.";
const KINDS = { png: "PNG", csv: "CSV", json: "JSON" };

export function showExport(place, settings, isUpload) {
  if (!settings) return place.replaceChildren();
  const links = Object.entries(KINDS).map(([kind, text]) => {
    const href = address("/api/search", { ...settings, format: kind });
    return make("a", { href, download: `${settings.analysis}.${kind}`, text });
  });
  const told = make("span", { role: "status", class: "soft" });
  const copy = button("Copy a link to this view", () => copied(told));
  const notes = isUpload ? [make("p", { class: "note", text: UPLOADED })] : [];
  place.replaceChildren(make("p", { class: "row" }, "Save this result as ", ...links, copy, told), ...notes);
}

async function copied(told) {
  try {
    await navigator.clipboard.writeText(location.href);
    told.textContent = "Copied.";
  } catch {
    told.textContent = "Copy it from the browser's line of addresses.";
  }
}
