// Reads what the store is, then starts the parts of the page.
import { answered } from "./api.js";
import { startCard } from "./card.js";
import { fault, plural } from "./dom.js";
import { startForm } from "./form.js";
import { startGrid } from "./grid.js";
import { startResults } from "./results.js";
import { start } from "./state.js";

const skip = document.getElementById("skip");
skip.addEventListener("click", (event) => {
  event.preventDefault(); // the fragment of the address holds the settings
  document.getElementById("results").focus();
});

for (const each of document.querySelectorAll("[data-part]")) {
  each.addEventListener("click", () => goTo(document.getElementById(each.dataset.part)));
}

/** To the top of a part: the focus alone would leave it where it is, as long as it is in sight. */
function goTo(title) {
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start" });
}

try {
  const say = (text) => (document.getElementById("status").textContent = text);
  const world = await answered("/api/world", {}, say);
  say("");
  document.getElementById("model").textContent = world.model;
  const size = `${plural(world.layers.length, "layer")} of ${plural(world.heads, "head")}`;
  document.getElementById("about").textContent = `${plural(world.pictures, "picture")}, ${size}`;
  startGrid(world);
  startForm(world);
  startCard(world);
  startResults(world);
  start();
} catch (error) {
  document.getElementById("results").replaceChildren(fault(error.message));
  document.getElementById("results").setAttribute("aria-busy", "false");
}
