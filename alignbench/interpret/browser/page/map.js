// A map over the picture as the model saw it: red above 0, blue below, the same as in its file, with the value of each patch.
import { ABOVE, BELOW } from "./colours.js";
import { format, make, number } from "./dom.js";
import { rove } from "./roving.js";

const FINEST = 448; // pixels of the drawing, at least
const STRONGEST = 0.7; // share of the colour where the map is largest, as in the file

/** Draw a map; `opacity` is the share of the colour where it is largest, which `setOpacity` of the figure changes. */
export function drawMap(answer, { opacity = STRONGEST, title, ends = null }) {
  const largest = Math.max(...answer.grid.flat().map(Math.abs));
  const image = make("img", { class: "crop", src: answer.crop, alt: "The picture as the model saw it" });
  const canvas = make("canvas", { "aria-hidden": "true" });
  const readout = make("p", { class: "readout", text: "Point at a patch for its value, or use the arrow keys." });
  const stage = make("div", { class: "stage" }, image, canvas, patches(answer, title, readout));
  stage.style.aspectRatio = `${answer.width} / ${answer.height}`;
  paintMap(canvas, answer, largest);
  canvas.style.opacity = opacity;
  const shown = make("figure", { class: "map" }, stage, colourBar(largest, answer, ends), readout, span(answer));
  shown.setOpacity = (strongest) => (canvas.style.opacity = strongest);
  return shown;
}

/** Bilinear between the centres of patches, and the nearest beyond them: what lies at a place of 0 to `length`. */
function between(place, length, patches) {
  const centre = Math.min(patches - 1, Math.max(0, ((place + 0.5) * patches) / length - 0.5));
  const low = Math.min(Math.floor(centre), Math.max(0, patches - 2));
  return [low, Math.min(low + 1, patches - 1), centre - low];
}

function paintMap(canvas, { grid, height, width }, largest) {
  const times = Math.max(1, Math.ceil(FINEST / Math.max(height, width)));
  [canvas.height, canvas.width] = [times * height, times * width];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const across = Array.from({ length: canvas.width }, (_, place) => between(place, canvas.width, grid[0].length));
  for (let y = 0, at = 0; y < canvas.height; y++) {
    const [above, below, down] = between(y, canvas.height, grid.length);
    for (const [left, right, share] of across) {
      const top = grid[above][left] * (1 - share) + grid[above][right] * share;
      const foot = grid[below][left] * (1 - share) + grid[below][right] * share;
      const value = top * (1 - down) + foot * down;
      const colour = value > 0 ? ABOVE : BELOW;
      for (let channel = 0; channel < 3; channel++) pixels.data[at++] = colour[channel];
      pixels.data[at++] = largest > 0 ? Math.round((255 * Math.abs(value)) / largest) : 0;
    }
  }
  context.putImageData(pixels, 0, 0);
}

/** The patches as cells over the picture: hover and arrows say their values. */
function patches({ grid, unit }, title, readout) {
  const table = make("div", { role: "grid", class: "patches", "aria-label": title });
  table.style.gridTemplateColumns = `repeat(${grid[0].length}, 1fr)`;
  table.style.gridTemplateRows = `repeat(${grid.length}, 1fr)`;
  const rows = grid.map((values, row) =>
    values.map((value, column) => {
      const label = `row ${row + 1}, column ${column + 1}: ${format(value)} ${unit}`;
      const cell = make("div", { role: "gridcell", "aria-label": label, "data-value": value });
      const say = () => (readout.textContent = label);
      cell.addEventListener("pointerenter", say);
      cell.addEventListener("focus", say);
      return cell;
    }),
  );
  rows.forEach((row) => table.append(make("div", { role: "row" }, ...row)));
  rove(rows);
  return table;
}

/** The colours by value: both sides of 0, or one where there is nothing below it. */
function colourBar(largest, { low, unit }, ends) {
  const both = low < 0;
  const says = `Colours from ${both ? `${format(-largest)} (blue) over ` : ""}0 to ${format(largest)} (red), ${unit}`;
  const line = make("div", { class: both ? "ramp signed-ramp" : "ramp red-ramp", role: "img", "aria-label": says });
  const marks = (both ? [-largest, 0, largest] : [0, largest]).map((value) => make("span", { text: format(value) }));
  const parts = [line, make("div", { class: "ends" }, ...marks), make("div", { class: "ends soft" }, make("span", { text: unit }))];
  if (ends) parts.unshift(make("div", { class: "ends soft" }, ...ends.map((text) => make("span", { text }))));
  return make("div", { class: "colour-bar" }, ...parts);
}

const span = ({ low, high, unit }) => make("p", { class: "soft" }, "Patches from ", number(low), " to ", number(high, unit), ".");
