// A picture of your own: by a button, or dropped on the field. It goes to the server's memory, and into no link.
import { reason } from "./analyses.js";
import { address, answered } from "./api.js";
import { fault, hint, make } from "./dom.js";
import { change } from "./state.js";

export function uploadParts(world, place) {
  if (!world.can.uploads) return hint(`No uploads: ${reason(world, "maps")}`);
  const said = make("div");
  const input = make("input", { type: "file", accept: "image/*", id: "upload", class: "unseen" });
  const button = make("label", { for: "upload", class: "button", text: "Upload a picture" });
  input.addEventListener("change", () => {
    if (input.files.length) send(input.files[0], world, said);
    input.value = "";
  });
  const over = (is) => (event) => {
    event.preventDefault();
    place.classList.toggle("over", is);
  };
  place.addEventListener("dragover", over(true));
  place.addEventListener("dragleave", over(false));
  place.addEventListener("drop", (event) => {
    over(false)(event);
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0], world, said);
  });
  const words = make("span", { class: "soft", text: "or drop one here" });
  return make("div", { class: "upload" }, input, button, " ", words, said);
}

async function send(file, world, said) {
  const limit = world.limits.upload_bytes;
  if (file.size > limit) {
    const [size, most] = [Math.ceil(file.size / 1e6), Math.floor(limit / 1e6)];
    return said.replaceChildren(fault(`${file.name} has ${size} MB: the server takes ${most} MB at most.`));
  }
  const say = (text) => said.replaceChildren(make("p", { role: "status", text }));
  try {
    const headers = { "X-Alignbench": "1", "Content-Type": "application/octet-stream" };
    const told = await answered(address("/api/upload", { name: file.name.slice(-200) }), { method: "POST", headers, body: file }, say);
    said.replaceChildren();
    change({ upload: { ...told, name: file.name || told.name }, why: "" });
  } catch (error) {
    said.replaceChildren(fault(error.message));
  }
}
