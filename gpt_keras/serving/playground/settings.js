// A table of settings comes in, their controls and values go out.

import { make } from "./dom.js";
import { say } from "./strings.js";

export const SEPARATOR = "\u001f"; // between stop texts, and banned ones

const range = (standard, least, most, step, isWhole = false) => ({
  kind: "range",
  standard,
  least,
  most,
  step,
  isWhole,
});
const whole = (standard, least, most) => range(standard, least, most, 1, true);
const texts = (words) => ({ kind: "texts", standard: "", words });

// What the signature `generate` takes, with Python's defaults. A slider spans
// what is useful; the number beside it takes all that the server takes.
export const SETTINGS = {
  max_new_tokens: whole(100, 1, 1024),
  temperature: range(1, 0, 2, 0.05),
  top_k: whole(0, 0, 200),
  top_p: range(1, 0.01, 1, 0.01),
  min_p: range(0, 0, 1, 0.01),
  repetition_penalty: range(1, 0.5, 2, 0.05),
  frequency_penalty: range(0, -2, 2, 0.1),
  presence_penalty: range(0, -2, 2, 0.1),
  no_repeat_ngram: whole(0, 0, 20),
  seed: { kind: "seed", standard: 0, isWhole: true },
  stop: texts("stop_texts"),
  banned: texts("banned_texts"),
  overflow: { kind: "choice", standard: "stop", choices: ["stop", "roll"] },
};
// What the page itself takes.
const PAGE = { count: whole(1, 1, 8), steps: whole(8, 1, 64) };
const ALL = { ...SETTINGS, ...PAGE };

const GROUPS = [
  ["group_sampling", true, ["temperature", "top_k", "top_p", "min_p"]],
  [
    "group_text",
    true,
    ["max_new_tokens", "count", "seed", "overflow", "steps"],
  ],
  [
    "group_repetition",
    false,
    [
      "repetition_penalty",
      "frequency_penalty",
      "presence_penalty",
      "no_repeat_ngram",
    ],
  ],
  ["group_limits", false, ["stop", "banned"]],
];

// The values of all settings, and what shows them.
export class Settings {
  constructor(onChange) {
    this.onChange = onChange;
    this.standard = Object.fromEntries(
      Object.entries(ALL).map(([name, { standard }]) => [name, standard]),
    );
    this.chosen = {}; // what differs from the standard
    this.controls = {};
  }

  get(name) {
    return this.chosen[name] ?? this.standard[name];
  }

  // Returns the settings of `generate`, those of one row.
  row() {
    const names = Object.keys(SETTINGS);
    return Object.fromEntries(names.map((name) => [name, this.get(name)]));
  }

  // Takes what a model card says are the defaults and limits.
  adopt(card) {
    for (const [name, value] of Object.entries(card?.defaults ?? {})) {
      if (!(name in SETTINGS)) continue;
      const given = Array.isArray(value) ? value.join(SEPARATOR) : value;
      // Of banned texts a card has the number only.
      if (typeof given === typeof SETTINGS[name].standard) {
        this.standard[name] = given;
      }
    }
    const most = card?.limits?.max_new_tokens;
    if (Number.isInteger(most) && most > 0) {
      this.controls.max_new_tokens.slider.max = most;
    }
    this.show();
  }

  // Takes values by name, as texts or as they are; passes over the others.
  take(values) {
    this.chosen = {};
    for (const [name, value] of values) {
      const read = name in ALL ? parse(ALL[name], value) : null;
      if (read !== null) this.chosen[name] = read;
    }
    this.show();
  }

  set(name, value) {
    const read = parse(ALL[name], value);
    if (read === null || read === this.standard[name]) {
      delete this.chosen[name];
    } else {
      this.chosen[name] = read;
    }
    this.show(name);
    this.onChange();
  }

  reset() {
    this.chosen = {};
    this.show();
    this.onChange();
  }

  build() {
    return GROUPS.map(([title, isOpen, names]) => {
      const group = make("details", { class: "group", open: isOpen ? "" : null });
      const summary = make("summary", {}, make("h3", { "data-text": title }));
      group.append(summary, ...names.map((name) => this.#control(name)));
      return group;
    });
  }

  show(name) {
    const names = name ? [name] : Object.keys(this.controls);
    names.forEach((one) => this.controls[one].show(this.get(one)));
  }

  #control(name) {
    const setting = ALL[name];
    const id = `set-${name}`;
    const set = (value) => this.set(name, value);
    const makers = { range: slider, seed: seed, texts: lines, choice: choice };
    const { elements, ...control } = makers[setting.kind](id, setting, set);
    this.controls[name] = control;
    const title = make("label", {
      id: `${id}-title`,
      for: id,
      "data-text": setting.words ?? name,
    });
    const help = make("p", { id: `${id}-help`, class: "help" });
    say(help, setting.kind === "texts" ? "texts_help" : `${name}_help`);
    const kind = `setting setting-${setting.kind}`;
    return make("div", { class: kind }, title, ...elements, help);
  }
}

function slider(id, setting, set) {
  const attributes = {
    min: setting.least,
    max: setting.most,
    step: setting.step,
    "aria-describedby": `${id}-help`,
  };
  const track = make("input", { ...attributes, type: "range", id });
  const field = number(`${id}-number`, setting, set);
  field.step = setting.step;
  track.addEventListener("input", () => set(track.value));
  const show = (value) => {
    track.value = value;
    field.value = value;
  };
  field.setAttribute("aria-labelledby", `${id}-title`);
  return { elements: [field, track], slider: track, show };
}

function seed(id, setting, set) {
  const field = number(id, setting, set);
  field.setAttribute("aria-describedby", `${id}-help`);
  return { elements: [field], show: (value) => (field.value = value) };
}

function number(id, setting, set) {
  const field = make("input", { type: "number", id, step: "any" });
  field.addEventListener("change", () => set(field.value));
  return field;
}

function lines(id, setting, set) {
  const field = make("textarea", {
    id,
    rows: 2,
    dir: "auto",
    spellcheck: "false",
    "aria-describedby": `${id}-help`,
  });
  field.addEventListener("change", () => set(readLines(field.value)));
  const show = (value) => (field.value = writeLines(value));
  return { elements: [field], show };
}

function choice(id, setting, set) {
  const options = setting.choices.map((value) =>
    make("option", { value, "data-text": `overflow_${value}` }),
  );
  const field = make(
    "select",
    { id, "aria-describedby": `${id}-help` },
    ...options,
  );
  field.addEventListener("change", () => set(field.value));
  return { elements: [field], show: (value) => (field.value = value) };
}

// Returns the value that a text stands for; null if it is none.
function parse(setting, given) {
  if (setting.kind === "texts") return String(given);
  if (setting.kind === "choice") {
    return setting.choices.includes(given) ? given : null;
  }
  const value = String(given).trim() === "" ? NaN : Number(given);
  if (!Number.isFinite(value)) return null;
  return setting.isWhole ? Math.trunc(value) : value;
}

const ESCAPES = { n: "\n", t: "\t", "\\": "\\" };

export function readLines(text) {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter) => ESCAPES[letter]))
    .join(SEPARATOR);
}

export function writeLines(joined) {
  return joined
    .split(SEPARATOR)
    .map((text) =>
      text
        .replaceAll("\\", "\\\\")
        .replaceAll("\n", "\\n")
        .replaceAll("\t", "\\t"),
    )
    .join("\n");
}
