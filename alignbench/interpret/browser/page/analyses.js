// The analyses: what each takes, what it asks the server, and what is lacking before it can.
import { chosen } from "./state.js";

export const ANALYSES = {
  property: {
    title: "Property", takes: ["picture", "measure", "count"],
    says: "Pictures nearest to yours by the chosen heads together: the mean of their similarities.",
  },
  picture: {
    title: "Picture", takes: ["picture", "measure", "count"],
    says: "Pictures nearest to yours, head by head.",
  },
  text: {
    title: "Text", takes: ["text", "measure", "count"],
    says: "Pictures of which each head says most what a text says.",
  },
  topic: {
    title: "Topic map", takes: ["picture", "text", "measure"],
    says: "Where in the picture the chosen heads, added up, say what a text says.",
  },
  contrast: {
    title: "Contrast", takes: ["picture", "text", "against", "measure"],
    says: "Where in the picture they say more of one text than of another.",
  },
  attention: {
    title: "Attention", takes: ["picture"],
    says: "Where in the picture the chosen heads look: their attention, averaged.",
  },
  people: {
    title: "People", takes: ["dataset", "pairs", "measure", "count"],
    says: "Pairs of pictures that people find alike, and how alike each head finds them.",
  },
  difference: {
    title: "Difference", takes: ["picture", "other", "other_heads", "together", "measure", "count"],
    says: "Neighbours of a picture here and in another model, or before and after alignment, head by head.",
  },
};

/** Whether an analysis has a setting. */
export const takes = (settings, name) => ANALYSES[settings.analysis]?.takes.includes(name) ?? false;

/** Whether a picture is part of the question: for pairs of people only where it is asked for. */
export const hasPicture = (settings) => takes(settings, "picture") || (settings.analysis === "people" && settings.pairs === "picture");

/** The settings of `/api/search` that an analysis takes. */
export function question(settings, world) {
  const asked = { analysis: settings.analysis, heads: settings.heads };
  if (hasPicture(settings)) {
    if (settings.upload) asked.upload = settings.upload.upload;
    else asked.picture = settings.picture;
  }
  for (const name of ["text", "against"]) if (takes(settings, name)) asked[name] = settings[name].trim();
  for (const name of ["measure", "count"]) if (takes(settings, name)) asked[name] = settings[name];
  if (takes(settings, "dataset")) asked.dataset = settings.dataset || world.can.people[0];
  if (takes(settings, "other")) {
    asked.other = settings.other || world.can.others[0]?.id;
    asked.other_heads = settings.other_heads.trim();
    asked.together = settings.together;
  }
  return asked;
}

/** Why an analysis cannot be had of this store, in a line; "" where it can. */
export function impossible(settings, world) {
  const needed = { text: "texts", topic: "texts", contrast: "texts", people: "people", difference: "others" }[settings.analysis];
  const able = (name) => (Array.isArray(world.can[name]) ? world.can[name].length > 0 : world.can[name]);
  if (needed && !able(needed)) return reason(world, needed);
  return ["topic", "contrast", "attention"].includes(settings.analysis) && !world.can.maps ? reason(world, "maps") : "";
}

/** What has to be done before an analysis can be had, in a line; "" where nothing is. */
export function lacking(settings, world) {
  const reasons = impossible(settings, world);
  if (reasons) return reasons;
  if (takes(settings, "text") && !settings.text.trim()) {
    return "Type a text above, such as “a red star”, and press Enter. The texts of an opened head can be taken by a click.";
  }
  if (takes(settings, "against") && !settings.against.trim()) return "Type the text to compare it with, such as “a blue star”.";
  return "";
}

export const reason = (world, name) => world.cannot?.[name] ?? "This is not to be had from this store.";

/** Names of the heads of the question in a few words. */
export function headsInWords(settings, world) {
  const names = chosen(settings);
  if (!names.length) return `all ${world.layers.length * world.heads} heads`;
  return names.length === 1 ? `head ${names[0]}` : `heads ${names.join(", ")}`;
}
