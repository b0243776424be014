// The page's controls come in, requests and what shows their answers go out.

import { asCurl, asPython } from "./code.js";
import { showCard } from "./card.js";
import { CompletionView } from "./completion.js";
import { Connection } from "./connection.js";
import { byId, copyText, make } from "./dom.js";
import { readLink, recall, remember, writeLink } from "./memory.js";
import { CallError, ModelServer } from "./requests.js";
import { score, showScore } from "./scoring.js";
import { Settings } from "./settings.js";
import { browserLanguage, number, say, setLanguage } from "./strings.js";
import { LEVELS, TokenCard, nameTokens } from "./tokens.js";
import { Row, write } from "./writing.js";

const settings = new Settings(keep);
const connection = new Connection((server, card) => {
  settings.adopt(card);
  showCard(byId("view-card"), card, server);
});
const tokenCard = new TokenCard(() => connection.spellings);
const prompt = byId("prompt");
let views = [];
let scored = null; // the last score
let aborting = null; // while something is written

// Writing

function rows() {
  const seed = settings.get("seed");
  return Array.from({ length: settings.get("count") }, (_, place) => ({
    ...settings.row(),
    seed: seed < 0 ? seed : seed + place,
  }));
}

async function start(event) {
  event.preventDefault();
  if (aborting) return;
  const made = rows().map((row) => new Row(prompt.value, row));
  await run(() => {
    views = made.map(
      (row, place) =>
        new CompletionView(
          row,
          place + 1,
          connection.spellings,
          made.length === 1,
        ),
    );
    byId("completions").replaceChildren(...views.map((view) => view.element));
    byId("completions").dataset.count = views.length;
    byId("empty").hidden = true;
    byId("legend").hidden = false;
  });
}

// Writes the rows of all views to their end; `prepare` may make them first.
async function run(prepare = () => {}) {
  const before = performance.now();
  aborting = new AbortController();
  const { signal } = aborting;
  showBusy();
  say(byId("message"), null);
  say(byId("progress"), "writing_status");
  let state = "state_failed";
  try {
    const server = await unlessAborted(connection.use(), signal);
    prepare();
    unended().forEach((view) => view.show("state_writing"));
    await write(
      server,
      views.map((view) => view.row),
      settings.get("steps"),
      connection.spellings,
      signal,
      (row) => views.find((view) => view.row === row).update(),
    );
    const seconds = ((performance.now() - before) / 1000).toFixed(1);
    const count = views.reduce((sum, { row }) => sum + row.tokens.length, 0);
    say(byId("progress"), "done_status", { count, seconds });
  } catch (error) {
    if (signal.aborted) {
      state = "state_stopped";
      say(byId("progress"), "stopped_status");
    } else {
      // The version has gone, perhaps: the next text asks which one there is.
      if (error.key === "error_404") connection.server = null;
      const isBegun = unended().some(({ row }) => row.text);
      say(byId("progress"), isBegun ? "kept_status" : null);
      tell(byId("message"), error);
    }
  }
  unended().forEach((view) => view.show(state));
  aborting = null;
  showBusy();
}

const unended = () => views.filter((view) => view.row.isRunning);

function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    promise.then(resolve, reject);
  });
}

function tell(place, error) {
  if (error instanceof CallError) {
    say(place, error.key, error.values);
  } else {
    say(place, "error_page", { message: String(error) });
  }
}

// A disabled button loses the focus: it goes where it is useful.
function showBusy() {
  const states = {
    start: aborting !== null,
    stop: aborting === null,
    more: aborting !== null || unended().length === 0,
  };
  const focused = document.activeElement;
  for (const [id, isOff] of Object.entries(states)) byId(id).disabled = isOff;
  if (focused?.disabled) byId(aborting ? "stop" : "start").focus();
}

// Scoring

async function startScore(event) {
  event.preventDefault();
  const place = byId("score-message");
  const button = byId("score-start");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  say(place, null);
  try {
    const server = await connection.use();
    const texts = [byId("score-prompt").value, byId("score-text").value];
    scored = await score(server, connection.spellings, ...texts);
    showScore(scored, connection.spellings);
  } catch (error) {
    byId("score-result").hidden = true;
    scored = null;
    tell(place, error);
  }
  button.removeAttribute("aria-disabled");
}

// Code and links

function showCode() {
  const { base, model, version } = connection.fields;
  const server =
    connection.server ??
    new ModelServer(base.value, model.value, version.value);
  byId("curl").textContent = asCurl(server, prompt.value, rows());
  byId("python").textContent = asPython(server, prompt.value, rows());
  byId("code-dialog").showModal();
}

async function copySample(button, sample) {
  const isDone = await copyText(sample.textContent);
  if (!isDone) getSelection().selectAllChildren(sample);
  say(button, isDone ? "copied" : "not_copied");
  setTimeout(() => say(button, "copy"), 2000);
}

async function copyLink() {
  keep();
  const isDone = await copyText(location.href);
  say(byId("progress"), isDone ? "copied_link" : "link_in_address");
}

// Remembers the prompt and what differs from the defaults.
function keep() {
  const values = { ...settings.chosen };
  if (prompt.value) values.prompt = prompt.value;
  writeLink(values);
  remember({ values });
}

function takeValues() {
  const link = readLink();
  const values = link ?? new Map(Object.entries(recall().values ?? {}));
  prompt.value = values.get("prompt") ?? "";
  settings.take(values.entries());
}

// The page

function choose(name, value, apply) {
  const change = (chosen) => {
    apply(chosen);
    remember({ [name]: chosen });
  };
  byId(name).addEventListener("change", (event) => change(event.target.value));
  const known = byId(name).querySelector(`[value="${CSS.escape(value)}"]`);
  const chosen = known ?? byId(name).querySelector("input");
  chosen.checked = true;
  apply(chosen.value);
}

function applyLanguage(language) {
  setLanguage(language);
  nameTokens();
  tokenCard.hide();
  showLevels();
  if (scored) showScore(scored, connection.spellings);
  if (connection.server) {
    showCard(byId("view-card"), connection.card, connection.server);
  }
}

function showLevels() {
  const items = LEVELS.map((least, level) => {
    const isLast = level === LEVELS.length - 1;
    const key = isLast ? "legend_below" : "legend_above";
    const value = number(isLast ? LEVELS[level - 1] : least, {
      style: "percent",
      maximumFractionDigits: 1,
    });
    const text = make("span", { class: "unseen" });
    say(text, key, { percent: value });
    const sign = make("span", { "aria-hidden": "true" });
    sign.textContent = isLast ? `< ${value}` : `≥ ${value}`;
    return make("li", { "data-level": level }, sign, text);
  });
  byId("levels").replaceChildren(...items);
}

function showTab(tab) {
  for (const one of document.querySelectorAll("[role=tab]")) {
    const isShown = one === tab;
    one.setAttribute("aria-selected", String(isShown));
    one.tabIndex = isShown ? 0 : -1;
    byId(one.getAttribute("aria-controls")).hidden = !isShown;
  }
  tokenCard.hide();
}

function moveTab(event) {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const place = tabs.indexOf(event.target);
  const steps = {
    ArrowRight: place + 1,
    ArrowLeft: place - 1 + tabs.length,
    Home: 0,
    End: tabs.length - 1,
  };
  if (place < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const next = tabs[steps[event.key] % tabs.length];
  showTab(next);
  next.focus();
}

function wire() {
  const on = (id, name, act) => byId(id).addEventListener(name, act);
  on("write", "submit", start);
  on("stop", "click", () => aborting?.abort());
  on("more", "click", () => run());
  on("link", "click", copyLink);
  on("code", "click", showCode);
  on("code-close", "click", () => byId("code-dialog").close());
  for (const name of ["curl", "python"]) {
    const button = byId(`copy-${name}`);
    button.addEventListener("click", () => copySample(button, byId(name)));
  }
  on("score", "submit", startScore);
  on("reset", "click", () => settings.reset());
  on("prompt", "change", keep);
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.addEventListener("click", () => showTab(tab));
    tab.addEventListener("keydown", moveTab);
  }
  document.addEventListener("keydown", (event) => {
    const isInDialog = byId("code-dialog").open;
    if (event.key === "Escape" && !isInDialog) aborting?.abort();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.target.closest?.("form")?.requestSubmit();
    }
  });
  addEventListener("hashchange", () => readLink() && takeValues());
}

byId("groups").append(...settings.build(), connection.build());
if (innerWidth < 900) byId("settings").open = false;
takeValues();
wire();
const memory = recall();
choose("theme", memory.theme ?? "auto", (theme) => {
  document.documentElement.dataset.theme = theme;
});
choose("language", memory.language ?? browserLanguage(), applyLanguage);
connection.connect().catch(() => {}); // the line at the top says it
