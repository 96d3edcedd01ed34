// The picture that is asked about: one of the folder, found by its name, or one of your own.
import { reason } from "./analyses.js";
import { Asker, address } from "./api.js";
import { button, fault, hint, make } from "./dom.js";
import { change, onChange, state } from "./state.js";
import { crop, shown, thumbnail } from "./thumbnail.js";
import { uploadParts } from "./upload.js";

const AT_ONCE = 48;
const [listAsker, nameAsker] = [new Asker(), new Asker()];

export function startPictures(world) {
  const place = make("fieldset", { class: "pictures" }, make("legend", { text: "Picture" }));
  const now = make("div", { class: "now" });
  const chooser = make("details", {}, make("summary", { text: "Choose another picture" }));
  const list = listOf(world, chooser);
  chooser.append(list.element);
  chooser.addEventListener("toggle", () => chooser.open && list.fill());
  place.append(now, uploadParts(world, place), chooser);
  if (!world.can.pictures) chooser.before(hint(reason(world, "pictures")));
  onChange((settings, before) => {
    if (settings.picture === before.picture && settings.upload === before.upload) return;
    chooser.open = false;
    nameAsker.stop();
    if (settings.upload) return now.replaceChildren(...uploaded(settings));
    const number = Number(settings.picture);
    const name = make("span", { class: "name", text: `picture ${settings.picture}` });
    now.replaceChildren(thumbnail(world, settings.picture, `picture ${settings.picture}`, ""), name);
    nameAsker.ask(
      address("/api/pictures", { start: number, count: 1 }),
      (answer) => (name.textContent = answer.items[0]?.name ?? `There is no such picture: they go from 0 to ${world.pictures - 1}.`),
      (error) => now.append(fault(error)),
    );
  });
  return place;
}

function uploaded(settings) {
  const { name, height, width, notes = [] } = settings.upload;
  const back = button("Back to the folder's", () => change({ upload: null, why: "" }));
  const words = make(
    "span", {},
    make("span", { class: "name", text: name }),
    ` ${width} × ${height}, uploaded; it is kept in memory for this session, and is not part of links.`,
    ...notes.map((text) => make("span", { class: "said", text: ` ${text}` })),
  );
  return [shown({ class: "thumb", src: crop(settings), alt: "" }), words, back];
}

/** The folder's pictures, some at once, by a part of their names. */
function listOf(world, chooser) {
  const grid = make("ul", { class: "choices", "aria-label": "Pictures" });
  const more = button("More", () => fill(grid.children.length), { hidden: true });
  const search = make("input", { type: "search", id: "like", placeholder: "part of a name", maxlength: 200 });
  const told = make("p", { class: "soft", role: "status" });
  const fill = (start = 0) =>
    listAsker.ask(
      address("/api/pictures", { start, count: AT_ONCE, like: search.value.trim() }),
      (answer) => {
        if (!start) grid.replaceChildren();
        grid.append(...answer.items.map((item) => make("li", {}, choiceOf(world, item, chooser))));
        const count = grid.children.length;
        told.textContent = answer.total ? `${count} of ${answer.total}` : "No picture has such a name.";
        more.hidden = count >= answer.total;
      },
      (error) => grid.replaceChildren(make("li", {}, fault(error))),
    );
  search.addEventListener("input", () => fill());
  const searching = make("p", { class: "row" }, make("label", { for: "like", text: "Search by name" }), search);
  return { element: make("div", {}, searching, told, grid, more), fill };
}

function choiceOf(world, item, chooser) {
  const is = !state().upload && state().picture === String(item.picture);
  const choose = () => {
    chooser.open = false;
    change({ picture: String(item.picture), upload: null, why: "" });
    chooser.querySelector("summary").focus();
  };
  const name = make("span", { class: "name", text: item.name });
  const parts = [thumbnail(world, item.picture, item.name, ""), name];
  return button("", choose, { "aria-current": is ? "true" : null, title: item.name }, ...parts);
}
