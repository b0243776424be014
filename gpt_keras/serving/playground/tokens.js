// Parts of a text come in, coloured tokens that say more when asked go out.

import { byId, make } from "./dom.js";
import { probability } from "./segments.js";
import { label, number, percent, words } from "./strings.js";

// The least probability of each level; the last has the rest.
export const LEVELS = [0.9, 0.5, 0.2, 0.05, 0.01, 0.001, 0];
const MARGIN = 8; // pixels between a token and its card

export const levelOf = (value) => LEVELS.findIndex((least) => value >= least);

const partOf = new WeakMap(); // by what shows it

// Returns a list that shows parts, one tab stop: arrow keys move in it.
export function tokenList(key, values = {}) {
  const list = make("div", { class: "tokens", role: "listbox", dir: "auto" });
  list.setAttribute("aria-orientation", "horizontal");
  label(list, key, values);
  list.addEventListener("keydown", move);
  return list;
}

// Shows further parts of a list.
export function addParts(list, parts) {
  for (const part of parts) {
    if (!part.tokens.length) {
      list.append(part.text);
      continue;
    }
    const value = probability(part);
    const token = make("span", {
      class: "token",
      role: "option",
      tabindex: list.querySelector(".token") ? -1 : 0,
      "aria-selected": "false",
      "data-level": levelOf(value),
      "data-break": part.text.includes("\n") ? "" : null,
    });
    token.textContent = part.text;
    partOf.set(token, part);
    nameToken(token);
    list.append(token);
  }
}

// Gives every token its name in the current language.
export function nameTokens() {
  document.querySelectorAll(".token").forEach(nameToken);
}

function nameToken(token) {
  const part = partOf.get(token);
  const values = {
    text: readable(part.text),
    percent: percent(probability(part)),
  };
  token.setAttribute("aria-label", words("token_label", values));
}

function move(event) {
  const tokens = [...event.currentTarget.querySelectorAll(".token")];
  const place = tokens.indexOf(event.target);
  if (place < 0) return;
  const isLeft = getComputedStyle(event.currentTarget).direction === "rtl";
  const steps = {
    ArrowRight: place + (isLeft ? -1 : 1),
    ArrowLeft: place + (isLeft ? 1 : -1),
    ArrowDown: place + 1,
    ArrowUp: place - 1,
    Home: 0,
    End: tokens.length - 1,
  };
  const next = tokens[steps[event.key]];
  if (!(event.key in steps)) return;
  event.preventDefault();
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// The card with a token's probability and its alternatives.
export class TokenCard {
  constructor(spellings) {
    this.spellings = spellings; // a function that returns them
    this.card = byId("token-card");
    this.token = null;
    this.closing = null;
    const over = (event) => this.#enter(event);
    document.addEventListener("pointerover", over);
    document.addEventListener("focusin", (event) => {
      const token = event.target.closest?.(".token");
      if (token) this.show(token);
      else this.hide();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.token) {
        this.hide();
        event.stopPropagation();
      }
    }, true);
    addEventListener("scroll", () => this.#place(), { passive: true });
    addEventListener("resize", () => this.#place());
  }

  show(token) {
    this.#keep();
    if (token === this.token) return;
    this.hide();
    this.token = token;
    token.setAttribute("aria-describedby", this.card.id);
    token.dataset.shown = "";
    this.card.replaceChildren(...this.#content(partOf.get(token)));
    this.card.hidden = false;
    this.#place();
  }

  hide() {
    this.#keep();
    if (!this.token) return;
    this.token.removeAttribute("aria-describedby");
    delete this.token.dataset.shown;
    this.token = null;
    this.card.hidden = true;
  }

  #enter(event) {
    const token = event.target.closest?.(".token");
    if (token) {
      this.show(token);
    } else if (event.target.closest?.("#token-card")) {
      this.#keep();
    } else if (this.token && !this.closing) {
      this.closing = setTimeout(() => {
        this.closing = null;
        const focused = document.activeElement?.closest?.(".token");
        if (focused && focused !== this.token) this.show(focused);
        else if (!focused) this.hide();
      }, 150);
    }
  }

  #keep() {
    clearTimeout(this.closing);
    this.closing = null;
  }

  #place() {
    if (!this.token) return;
    const around = this.token.getBoundingClientRect();
    const own = this.card.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    const most = Math.max(MARGIN, width - own.width - MARGIN);
    const below = around.bottom + MARGIN;
    const above = around.top - own.height - MARGIN;
    const fits = below + own.height <= innerHeight || above < 0;
    this.card.style.left = `${Math.min(Math.max(around.left, MARGIN), most)}px`;
    this.card.style.top = `${fits ? below : above}px`;
  }

  #content(part) {
    const value = probability(part);
    const head = make(
      "div",
      { class: "token-head" },
      make("strong", { class: "spelled", dir: "auto" }, readable(part.text)),
      make("span", { class: "share" }, percent(value)),
    );
    const content = [head];
    if (part.tokens.length > 1) {
      const count = number(part.tokens.length);
      content.push(make("p", {}, words("token_joined", { count })));
    }
    for (const token of part.tokens) content.push(...this.#token(token));
    return content;
  }

  #token(token) {
    const value = number(token.logprob ?? NaN, { maximumFractionDigits: 3 });
    const line =
      words("token_id", { id: token.id }) +
      " · " +
      words("token_logprob", { value });
    const content = [make("p", { class: "minor" }, line)];
    if (!token.others) return content;
    const others = token.others.filter((one) => one.logprob !== null);
    if (!others.some((one) => one.id === token.id)) others.push(token);
    const rows = others.map((one) => this.#other(one, one.id === token.id));
    const title = make("p", { class: "minor" }, words("token_others"));
    return [...content, title, make("ol", { class: "others" }, ...rows)];
  }

  #other({ id, logprob }, isChosen) {
    const share = Math.exp(logprob);
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${share * 100}%`;
    const text = make("span", { class: "spelled", dir: "auto" });
    text.textContent = this.#spelled(id);
    const row = make("li", { class: isChosen ? "chosen" : null });
    if (isChosen) {
      const mark = make("span", { class: "mark" }, words("token_chosen"));
      row.append(bar, text, mark);
    } else {
      row.append(bar, text);
    }
    row.append(make("span", { class: "share" }, percent(share)));
    return row;
  }

  #spelled(id) {
    const bytes = this.spellings()?.of(id);
    if (bytes === undefined) return words("token_id", { id });
    if (!bytes.length) return words("token_id", { id });
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return readable(decoder.decode(bytes));
    } catch {
      const hexes = [...bytes].map((x) => x.toString(16).padStart(2, "0"));
      return `<${hexes.join(" ").toUpperCase()}>`; // a part of a character
    }
  }
}

const SIGNS = { "\n": "↵", "\t": "⇥", "\r": "␍", " ": "␣" };

// Returns a text in which white space can be seen.
function readable(text) {
  const seen = text.replace(/[\n\t\r]/g, (letter) => SIGNS[letter]);
  return seen.replace(/^ +| +$/g, (run) => SIGNS[" "].repeat(run.length));
}
