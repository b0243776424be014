// A model card, or metadata where there is none, comes in, what shows it goes
// out.

import { make } from "./dom.js";
import { date, number, words } from "./strings.js";

const PARAGRAPHS = {
  intended_use: "card_use",
  limitations: "card_limitations",
  notes: "card_notes",
};
const TABLES = {
  model: "card_model",
  training: "card_training",
  tokenizer: "card_tokenizer",
  weights: "card_weights",
  limits: "card_limits",
  defaults: "card_defaults",
  policy: "card_policy",
  software: "card_software",
};

export function showCard(place, card, server) {
  const title = make("h2", {}, String(card?.name ?? server.name));
  const parts = [make("header", { class: "card-head" }, title)];
  if (card) {
    parts[0].append(make("p", { class: "minor" }, date(card.date ?? "")));
    for (const [name, key] of Object.entries(PARAGRAPHS)) {
      if (card[name]) parts.push(paragraph(key, card[name]));
    }
    const tables = Object.entries(TABLES)
      .filter(([name]) => size(card[name]) > 0)
      .map(([name, key]) => section(key, table(card[name])));
    parts.push(make("div", { class: "card-tables" }, ...tables));
  } else {
    parts.push(make("p", { class: "minor" }, words("card_none")));
  }
  parts.push(signatures(server.signatures));
  place.replaceChildren(...parts);
}

function section(key, ...children) {
  const title = make("h3", {}, words(key));
  return make("section", { class: "panel" }, title, ...children);
}

function paragraph(key, text) {
  return section(key, make("p", { class: "prose", dir: "auto" }, String(text)));
}

function size(value) {
  return value && typeof value === "object" ? Object.keys(value).length : 0;
}

// Tables in tables become lines with dotted names.
function table(value) {
  const list = make("dl", { class: "facts" });
  for (const [name, text] of flat(value)) {
    list.append(
      make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, text)),
    );
  }
  return list;
}

function flat(value, prefix = "") {
  return Object.entries(value).flatMap(([name, item]) => {
    const path = prefix + name;
    if (item === null || item === "") return [];
    if (Array.isArray(item)) {
      const isPlain = item.every((x) => x === null || typeof x !== "object");
      return isPlain ? [[path, item.join(", ")]] : flat(item, `${path}.`);
    }
    if (typeof item === "object") return flat(item, `${path}.`);
    const isNumber = typeof item === "number";
    const options = { maximumSignificantDigits: 6 };
    return [[path, isNumber ? number(item, options) : String(item)]];
  });
}

function signatures(table) {
  const list = make("dl", { class: "facts" });
  for (const [name, one] of Object.entries(table)) {
    const names = (side) => Object.keys(one[side] ?? {}).join(", ");
    const text =
      `${words("card_inputs")}: ${names("inputs")}\n` +
      `${words("card_outputs")}: ${names("outputs")}`;
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, text)));
  }
  return section("card_signatures", list);
}
