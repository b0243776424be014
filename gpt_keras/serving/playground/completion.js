// A row that is being written comes in, what shows it goes out.

import { copyText, make } from "./dom.js";
import { Segments } from "./segments.js";
import { say, words } from "./strings.js";
import { addParts, tokenList } from "./tokens.js";

const ECHO = 160; // characters of the prompt that are shown again

export class CompletionView {
  // isAlone: whether a screen reader reads the text as it comes; several at
  // once would talk at the same time.
  constructor(row, place, spellings, isAlone) {
    this.row = row;
    this.segments = new Segments(spellings);
    this.isPlain = false;
    this.shown = ""; // of the row's text
    const title = make("h3");
    say(title, "completion", { number: place });
    this.seed = make("span", { class: "seed" });
    this.state = make("span", { class: "state" });
    this.copy = make("button", { type: "button", class: "quiet" });
    say(this.copy, "copy");
    this.copy.addEventListener("click", () => this.#copy());
    this.note = make("p", { class: "minor", hidden: "" });
    this.error = make("p", { class: "message", role: "alert" });
    this.list = tokenList("tokens_of", { number: place });
    const echo = make("span", { class: "echo", "aria-hidden": "true" });
    echo.textContent = tail(row.prompt);
    const text = make("div", { class: "text", dir: "auto" }, echo, this.list);
    this.log = make("div", { class: "unseen", role: "log" });
    this.log.setAttribute("aria-live", isAlone ? "polite" : "off");
    const head = make("header", {}, title, this.seed, this.state, this.copy);
    this.element = make(
      "article",
      { class: "completion panel" },
      head,
      text,
      this.log,
      this.note,
      this.error,
    );
    this.show("state_writing");
  }

  // Shows what the row has got.
  update() {
    const { row } = this;
    if (row.seed !== null) say(this.seed, "seed_of", { seed: row.seed });
    this.#showText();
    this.log.append(row.text.slice(this.shown.length));
    this.shown = row.text;
    if (row.truncated) this.#note("truncated");
    if (row.error) say(this.error, "error_row", { message: row.error });
    if (row.reason) this.show(`reason_${row.reason}`, row.reason);
  }

  // Says where it stands.
  show(key, reason = key.replace("state_", "")) {
    say(this.state, key);
    this.state.dataset.state = reason;
    this.element.setAttribute("aria-busy", String(key === "state_writing"));
  }

  #showText() {
    const { row, segments, list } = this;
    if (!this.isPlain) {
      const parts = segments.add(row.tokens, row.size, !row.isRunning);
      const fits = row.isRunning
        ? row.text.startsWith(segments.text)
        : row.text === segments.text;
      if (parts !== null && fits) return addParts(list, parts);
      this.isPlain = true;
      list.removeAttribute("role");
      this.#note("plain");
    }
    list.textContent = row.text;
  }

  #note(key) {
    say(this.note, key);
    this.note.hidden = false;
  }

  async #copy() {
    const isDone = await copyText(this.row.text);
    if (!isDone) getSelection().selectAllChildren(this.list);
    this.copy.textContent = words(isDone ? "copied" : "copy");
    setTimeout(() => say(this.copy, "copy"), 1500);
  }
}

function tail(text) {
  const letters = [...text];
  if (letters.length <= ECHO) return text;
  return `…${letters.slice(-ECHO).join("")}`;
}
