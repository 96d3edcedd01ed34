// A picture of the store, by its number, with what is said below it.
import { address } from "./api.js";
import { make } from "./dom.js";

const SIDE = 160; // pixels

/** The address of the picture a question is about, as the model saw it. */
export const crop = (settings) =>
  settings.upload ? address("/crop", { upload: settings.upload.upload }) : address("/crop", { picture: settings.picture });

/** The picture itself; its name alone where the folder of pictures is not there. */
export function thumbnail(world, number, name, alt = name) {
  if (!world.can.pictures) return make("span", { class: "thumb none", text: "no picture" });
  const source = address("/picture", { number, side: SIDE });
  return shown({ class: "thumb", src: source, alt, loading: "lazy", decoding: "async" });
}

/** A picture by its attributes; words in its place where the server does not give it. */
export function shown(attributes) {
  const image = make("img", attributes);
  image.addEventListener("error", () => image.replaceWith(make("span", { class: "thumb none", text: "no picture" })));
  return image;
}

/** A picture with its name, numbers and buttons. */
export function figure(world, item, ...below) {
  const caption = make("figcaption", {}, make("span", { class: "name", title: item.name, text: item.name }), ...below);
  return make("figure", { "data-picture": item.picture }, thumbnail(world, item.picture, item.name), caption);
}
