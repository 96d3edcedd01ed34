// Arrow keys in a grid: one of its elements is a stop of the Tab key, and arrows go to the others.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Let arrows, Home and End move over rows of elements; `onKey(event, element)` is asked about all other keys. */
export function rove(rows, onKey = () => {}) {
  let stop = rows[0][0];
  rows.flat().forEach((element) => element.setAttribute("tabindex", "-1"));
  const take = (element) => {
    stop.setAttribute("tabindex", "-1");
    element.setAttribute("tabindex", "0");
    stop = element;
  };
  take(stop);
  rows.forEach((row, down) =>
    row.forEach((element, across) => {
      element.addEventListener("focus", () => take(element));
      element.addEventListener("keydown", (event) => {
        if (event.altKey || event.metaKey) return;
        let next = null;
        if (event.key in STEPS) {
          const [below, right] = STEPS[event.key];
          next = rows[down + below]?.[across + right];
        } else if (event.key === "Home") next = (event.ctrlKey ? rows[0] : row)[0];
        else if (event.key === "End") next = (event.ctrlKey ? rows.at(-1) : row).at(-1);
        else return onKey(event, element);
        event.preventDefault();
        next?.focus();
      });
    }),
  );
  return take;
}
