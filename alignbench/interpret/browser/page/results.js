// Asks what the settings ask, and shows the answer by its kind.
import { Asker, address } from "./api.js";
import { headsInWords, lacking, question, reason } from "./analyses.js";
import { showDifference } from "./difference.js";
import { fault, hint, make, renew } from "./dom.js";
import { showExport } from "./export.js";
import { drawMap } from "./map.js";
import { showNeighbours, showReasons } from "./neighbours.js";
import { showPairs } from "./pairs.js";
import { change, chosen, onChange, state } from "./state.js";

const asker = new Asker();
const status = (text) => (document.getElementById("status").textContent = text);

export function startResults(world) {
  const place = document.getElementById("results");
  const links = document.getElementById("export");
  let asked = null;
  onChange((now) => {
    const missing = lacking(now, world);
    const settings = question(now, world);
    const key = missing || address("/api/search", settings);
    if (key === asked) return changed(place, world, now);
    asked = key;
    showExport(links, missing ? null : settings, Boolean(settings.upload));
    if (missing) {
      asker.stop();
      status("");
      return settle(place, hint(missing));
    }
    place.setAttribute("aria-busy", "true");
    asker.ask(
      key,
      (answer) => settle(place, ...shown(answer, world, settings)),
      (error) => {
        showExport(links, null);
        settle(place, fault(error));
      },
      status,
    );
  });
}

function settle(place, ...parts) {
  renew(place, place, ...parts);
  place.setAttribute("aria-busy", "false");
}

/** What changes in an answer without a new one: which neighbour is explained, and how strong a map is. */
function changed(place, world, now) {
  if (place.getAttribute("aria-busy") === "true") return;
  if (place.querySelector("[data-why]")) showReasons(place, world, question(now, world));
  place.querySelector("figure.map")?.setOpacity(now.opacity / 100);
}

function shown(answer, world, settings) {
  const notes = (answer.notes ?? []).map((text) => make("p", { class: "note", text }));
  if (answer.kind === "map") return [...notes, mapShown(answer, world, settings)];
  if (answer.kind === "pairs") return [...notes, ...showPairs(answer, world)];
  if (answer.kind === "difference") return [...notes, ...showDifference(answer, world, settings)];
  if (answer.kind !== "neighbours") return [fault(`The page knows no result of the kind ${answer.kind}: load it anew.`)];
  const missing = world.can.why ? [] : [hint(`Why a picture is near cannot be said: ${reason(world, "why")}`)];
  return [...notes, ...showNeighbours(answer, world, settings), ...missing];
}

function mapShown(answer, world, settings) {
  const now = state();
  const title = titleOf(settings, now, world);
  const ends = settings.analysis === "contrast" ? [`more “${settings.against}”`, `more “${settings.text}”`] : null;
  const shown = drawMap(answer, { opacity: now.opacity / 100, title, ends });
  const slider = make("input", { type: "range", id: "opacity", min: 0, max: 100, step: 5 });
  slider.value = now.opacity;
  slider.addEventListener("input", () => change({ opacity: slider.value }, true));
  return make(
    "div", {},
    make("h3", { text: title }), shown,
    make("p", { class: "row" }, make("label", { for: "opacity", text: "Strength of the colours" }), slider),
  );
}

function titleOf(settings, now, world) {
  const heads = headsInWords(now, world);
  if (settings.analysis === "attention") return `Where ${heads} ${chosen(now).length === 1 ? "looks" : "look"}`;
  if (settings.analysis === "contrast") return `“${settings.text}” against “${settings.against}”, by ${heads}`;
  return `“${settings.text}”, by ${heads}`;
}
