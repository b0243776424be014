// The address, model and version that the page shall ask come in, a connected
// server goes out.

import { byId, make } from "./dom.js";
import { recall, remember } from "./memory.js";
import { CallError, ModelServer, ownBase } from "./requests.js";
import { say } from "./strings.js";
import { Spellings } from "./writing.js";

const FIELDS = ["base", "model", "version"];

export class Connection {
  // onConnect gets the server and its model card, or null.
  constructor(onConnect) {
    this.onConnect = onConnect;
    this.server = null;
    this.spellings = null;
    this.card = null;
    this.pending = null;
    this.fields = {};
  }

  // Returns the controls, a group of the settings.
  build() {
    const chosen = recall().server ?? {};
    const names = make("datalist", { id: "models" });
    const rows = FIELDS.map((name) => this.#field(name, chosen[name]));
    this.fields.base.value ||= ownBase();
    this.fields.base.type = "url";
    this.fields.model.setAttribute("list", "models");
    const button = make("button", { type: "button", id: "connect" });
    say(button, "connect");
    button.addEventListener("click", () => {
      this.#remember();
      this.connect().catch(() => {});
    });
    const title = make("h3", { "data-text": "group_server" });
    const summary = make("summary", {}, title);
    return make(
      "details",
      { class: "group", id: "server" },
      summary,
      ...rows,
      names,
      button,
    );
  }

  // Returns the server, connected before or now.
  async use() {
    return this.server ?? (await this.connect());
  }

  connect() {
    this.pending ??= this.#connect().finally(() => (this.pending = null));
    return this.pending;
  }

  async #connect() {
    this.server = null;
    this.#state("off", "connecting");
    try {
      const [base, model, version] = FIELDS.map((name) =>
        this.fields[name].value.trim(),
      );
      let server = new ModelServer(base, model, version);
      const names = (await server.models())?.models ?? [];
      byId("models").replaceChildren(
        ...names.map((value) => make("option", { value })),
      );
      if (!model && names.length) {
        this.fields.model.value = names[0];
        server = new ModelServer(base, names[0], version);
      }
      if (!server.name) throw new CallError("error_no_model");
      await server.connect();
      this.card = await server.card();
      this.spellings = new Spellings(server);
      this.server = server;
      const values = { name: server.name, version: server.version };
      this.#state("on", "connected", values);
      this.onConnect(server, this.card);
      return server;
    } catch (error) {
      this.#state("error", "not_connected");
      if (error instanceof CallError) {
        this.#state("error", error.key, error.values);
      }
      throw error;
    }
  }

  #state(state, key, values) {
    const line = byId("connection");
    line.dataset.state = state;
    say(line, key, values);
  }

  #field(name, value = "") {
    const id = `server-${name}`;
    const field = make("input", {
      id,
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": `${id}-help`,
    });
    field.value = value;
    // What is asked next goes where the fields say.
    field.addEventListener("change", () => {
      this.server = null;
      this.#remember();
    });
    this.fields[name] = field;
    const title = make("label", { for: id, "data-text": name });
    const help = make("p", { id: `${id}-help`, class: "help" });
    say(help, `${name}_help`);
    const kind = "setting setting-text";
    return make("div", { class: kind }, title, field, help);
  }

  #remember() {
    const entries = FIELDS.map((name) => [name, this.fields[name].value]);
    const server = Object.fromEntries(entries);
    if (server.base === ownBase()) server.base = "";
    remember({ server });
  }
}
