// Colours of numbers and of names. The ramp is viridis (van der Walt and Smith 2015): even steps to the eye, also to the colour-blind.

const VIRIDIS = ["440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725"];
const SIGNED = ["1a40d9", "8c9fec", "ececec", "ec8c8c", "d91a1a"]; // blue below 0, red above: the ends are those of maps
const NAMES = ["0072b2", "e69f00", "009e73", "cc79a7", "56b4e9", "d55e00", "f0e442", "8a8a8a"]; // Okabe and Ito 2008
export const ABOVE = [217, 26, 26], BELOW = [26, 64, 217]; // the colours of a map, as of its file

const parsed = (hex) => [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16));
const css = (rgb) => `rgb(${rgb.map(Math.round).join(" ")})`;

function along(stops, share) {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [one, other] = [parsed(stops[low]), parsed(stops[low + 1])];
  return one.map((value, channel) => value + (place - low) * (other[channel] - value));
}

/** Black or white, whichever is read better on a colour. */
function ink(rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

/** The scale of a colouring of numbers: its ends, and the colours of a value. Around 0 where it is signed. */
export function scale(low, high, signed) {
  const stops = signed ? SIGNED : VIRIDIS;
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const [first, last] = signed ? [-largest, largest] : [low, high];
  const colours = (value) => {
    const rgb = along(stops, last > first ? (value - first) / (last - first) : 0.5);
    return { paper: css(rgb), ink: ink(rgb) };
  };
  return { first, last, colours, gradient: `linear-gradient(to right, ${stops.map((hex) => `#${hex}`).join(", ")})` };
}

/** The colours of a name by its place among them; after eight they come again, so that the letters tell. */
export function nameColours(place) {
  const rgb = parsed(NAMES[place % NAMES.length]);
  return { paper: css(rgb), ink: ink(rgb) };
}

/** Colour an element. */
export function paint(element, colours) {
  element.style.backgroundColor = colours ? colours.paper : "";
  element.style.color = colours ? colours.ink : "";
}
