// A text comes in, how likely the model finds it goes out.

import { byId, make } from "./dom.js";
import { CallError } from "./requests.js";
import { Segments } from "./segments.js";
import { number, say } from "./strings.js";
import { addParts, tokenList } from "./tokens.js";

export async function score(server, spellings, prompt, text) {
  if (!text) throw new CallError("score_empty");
  if (!server.has("score")) throw new CallError("error_no_score");
  const inputs = { prompts: [prompt], texts: [text] };
  const answer = await server.predict("score", inputs);
  const [message] = answer.error;
  if (message) throw new CallError("error_row", { message });
  const tokens = answer.token_ids[0]
    .slice(0, answer.lengths[0])
    .map((id, place) => ({ id, logprob: answer.logprobs[0][place] }));
  await spellings.learn(tokens);
  return {
    text,
    tokens,
    size: new TextEncoder().encode(text).length,
    total: answer.total_logprob[0],
    bitsPerByte: answer.bits_per_byte[0],
  };
}

export function showScore(scored, spellings) {
  const { text, tokens, size, total } = scored;
  const perplexity = Math.exp(-total / Math.max(tokens.length, 1));
  const figures = {
    bits_per_byte: number(scored.bitsPerByte, { maximumFractionDigits: 3 }),
    perplexity: number(perplexity, { maximumSignificantDigits: 4 }),
    total_logprob: number(total, { maximumFractionDigits: 2 }),
    count_tokens: number(tokens.length),
    count_bytes: number(size),
  };
  byId("score-figures").replaceChildren(
    ...Object.entries(figures).map(([key, value]) => {
      const name = make("dt");
      say(name, key);
      return make("div", {}, name, make("dd", {}, value));
    }),
  );
  const list = tokenList("tokens_of_score");
  const parts = new Segments(spellings).add(tokens, size, true);
  if (parts === null) list.textContent = text;
  else addParts(list, parts);
  const place = make("div", { class: "text", dir: "auto" }, list);
  byId("score-tokens").replaceChildren(place);
  byId("score-result").hidden = false;
}
