// A server's address and a model's name come in, its answers go out: the REST
// surface of TensorFlow Serving.

const TIMEOUT = 60_000; // milliseconds, for a call with all its tries
const TRIES = 5;
const FIRST_WAIT = 200; // milliseconds; doubles
const OVERLOADED = [429, 503];

// An error whose words stand in the table of strings.
export class CallError extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

// Returns the folder that this page lies in, without the slash at its end.
export function ownBase() {
  return new URL(".", location.href).href.replace(/\/$/, "");
}

export class ModelServer {
  // version: digits, a label, or empty for the newest.
  constructor(base, name, version) {
    this.base = base.replace(/\/+$/, "");
    this.name = name;
    this.version = version;
    this.signatures = {};
  }

  get isOwn() {
    return this.base === ownBase();
  }

  // Asks which version answers, and what it can.
  async connect(signal) {
    const answer = await this.#ask(`${this.path()}/metadata`, {}, signal);
    const table = answer?.metadata?.signature_def?.signature_def;
    if (!table) throw new CallError("error_answer");
    this.signatures = table;
    // All calls of a text go to one version.
    this.version = String(answer.model_spec.version);
  }

  path() {
    const kind = /^\d+$/.test(this.version) ? "versions" : "labels";
    const part = this.version
      ? `/${kind}/${encodeURIComponent(this.version)}`
      : "";
    return `${this.base}/v1/models/${encodeURIComponent(this.name)}${part}`;
  }

  has(signature, input) {
    const inputs = this.signatures[signature]?.inputs;
    return Boolean(input === undefined ? inputs : inputs?.[input]);
  }

  // Columns in, columns out.
  async predict(signature, inputs, signal) {
    // Without a content type: no other is free of a question beforehand when
    // the server is at another address.
    const body = JSON.stringify({ signature_name: signature, inputs });
    const options = { method: "POST", body };
    const answer = await this.#ask(`${this.path()}:predict`, options, signal);
    if (answer?.outputs === undefined) throw new CallError("error_answer");
    return answer.outputs;
  }

  // Returns the names of the local server's models; null elsewhere.
  models(signal) {
    return this.#own("playground/models", signal);
  }

  card(signal) {
    const name = encodeURIComponent(this.name);
    const path = `playground/models/${name}/versions/${this.version}/card`;
    return this.#own(path, signal);
  }

  async #own(path, signal) {
    if (!this.isOwn) return null;
    try {
      return await this.#ask(`${this.base}/${path}`, {}, signal);
    } catch (error) {
      if (error instanceof CallError) return null;
      throw error;
    }
  }

  async #ask(url, options, signal) {
    const deadline = AbortSignal.timeout(TIMEOUT);
    const both = signal ? AbortSignal.any([signal, deadline]) : deadline;
    for (let number = 1; ; number++) {
      let response, text;
      try {
        response = await fetch(url, {
          ...options,
          signal: both,
          credentials: "omit",
          cache: "no-store",
        });
        text = await response.text();
      } catch (error) {
        throw this.#failure(error, signal);
      }
      if (response.ok) return parse(text);
      if (!OVERLOADED.includes(response.status) || number === TRIES) {
        throw refusal(response.status, text);
      }
      const seconds = Number(response.headers.get("Retry-After")) || 0;
      const wait = Math.max(FIRST_WAIT * 2 ** (number - 1), seconds * 1000);
      await sleep(wait, both).catch((error) => {
        throw this.#failure(error, signal);
      });
    }
  }

  #failure(error, signal) {
    if (signal?.aborted) return error;
    if (error.name === "TimeoutError") return new CallError("error_timeout");
    const here = this.base.startsWith(location.origin);
    const origin = URL.canParse(this.base) ? new URL(this.base).origin : "";
    const key = here ? "error_gone" : "error_elsewhere";
    return new CallError(key, { server: this.base, origin });
  }
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// TensorFlow Serving writes NaN and infinities bare, which JSON hasn't.
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    const bare = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
    try {
      return JSON.parse(
        text.replace(bare, (match) => (match[0] === '"' ? match : "null")),
      );
    } catch {
      throw new CallError("error_answer");
    }
  }
}

const WORDS = {
  400: "error_400",
  404: "error_404",
  413: "error_413",
  429: "error_429",
  500: "error_500",
  503: "error_503",
  504: "error_504",
};

function refusal(status, text) {
  let message = text;
  try {
    message = JSON.parse(text).error ?? text;
  } catch {
    // No JSON: a proxy's page, perhaps.
  }
  message = String(message).slice(0, 500);
  return new CallError(WORDS[status] ?? "error_status", { status, message });
}
