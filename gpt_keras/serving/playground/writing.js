// A model, a prompt and settings come in, texts go out in pieces: `generate`
// goes on from its own `continuation`, so the server keeps nothing.

import { CallError } from "./requests.js";

// One text in the making.
export class Row {
  constructor(prompt, settings) {
    this.prompt = prompt;
    this.settings = settings;
    this.continuation = "";
    this.text = "";
    this.size = 0; // bytes of the text
    this.tokens = []; // {id, logprob, others: [{id, logprob}]}
    this.reason = ""; // why it ended
    this.error = "";
    this.seed = null;
    this.truncated = false;
  }

  get isRunning() {
    return this.reason === "";
  }

  add(answer, index) {
    const piece = (name) => answer[name][index];
    this.error = piece("error");
    this.reason = piece("finish_reason");
    this.continuation = answer.continuation ? piece("continuation") : "";
    if (!answer.continuation && !this.reason) this.reason = "length";
    this.seed = piece("seed_used");
    this.truncated = piece("prompt_truncated");
    this.text += piece("completions");
    this.size += fromBase64(piece("completions_bytes")).length;
    for (let place = 0; place < piece("lengths"); place++) {
      this.tokens.push({
        id: piece("token_ids")[place],
        logprob: piece("logprobs")[place],
        others: piece("top_token_ids")[place].map((id, rank) => ({
          id,
          logprob: piece("top_logprobs")[place][rank],
        })),
      });
    }
  }
}

// Writes all rows to their end, `steps` tokens in each call.
export async function write(server, rows, steps, spellings, signal, onPiece) {
  if (!server.has("generate")) throw new CallError("error_no_generate");
  while (rows.some((row) => row.isRunning)) {
    const running = rows.filter((row) => row.isRunning);
    const inputs = columns(server, running, steps);
    const answer = await server.predict("generate", inputs, signal);
    running.forEach((row, index) => row.add(answer, index));
    // What came is shown, whatever becomes of its tokens' texts.
    try {
      await spellings.learn(running.flatMap((row) => row.tokens), signal);
    } finally {
      running.forEach(onPiece);
    }
  }
}

// Returns the inputs of one call, those that the model knows.
export function columns(server, rows, steps) {
  const inputs = {
    prompts: rows.map((row) => row.prompt),
  };
  for (const name of Object.keys(rows[0].settings)) {
    inputs[name] = rows.map((row) => row.settings[name]);
  }
  inputs.steps = rows.map(() => steps);
  inputs.continuation = rows.map((row) => row.continuation);
  const known = server.signatures.generate?.inputs;
  if (!known) return inputs; // nobody has asked yet
  return Object.fromEntries(
    Object.entries(inputs).filter(([name]) => name in known),
  );
}

// What tokens are spelled, as bytes: a token may be a part of a character.
export class Spellings {
  constructor(server) {
    this.server = server;
    this.bytes = new Map();
  }

  async learn(tokens, signal) {
    const ids = new Set();
    for (const token of tokens) {
      for (const { id } of [token, ...(token.others ?? [])]) {
        if (!this.bytes.has(id)) ids.add(id);
      }
    }
    if (!ids.size || !this.server.has("detokenize")) return;
    const unknown = [...ids];
    const answer = await this.server.predict(
      "detokenize",
      {
        token_ids: unknown.map((id) => [id]),
        lengths: unknown.map(() => 1),
      },
      signal,
    );
    unknown.forEach((id, index) => {
      this.bytes.set(id, fromBase64(answer.texts_bytes[index]));
    });
  }

  of(id) {
    return this.bytes.get(id);
  }
}

function fromBase64(value) {
  return Uint8Array.from(atob(value.b64), (letter) => letter.charCodeAt(0));
}
