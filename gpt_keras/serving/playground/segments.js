// Tokens and their bytes come in, the parts of the shown text go out: a part is
// a token, or the tokens that make one character together.

export class Segments {
  // visible: how many bytes of the tokens belong to the text.
  constructor(spellings) {
    this.spellings = spellings;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.text = "";
    this.count = 0; // tokens that were read
    this.size = 0; // bytes of them
    this.held = [];
  }

  // Returns the new parts, {text, tokens}; null if a token has no spelling.
  // Of the last token of a text that has ended only a part may belong to it.
  add(tokens, visible, hasEnded) {
    const parts = [];
    while (this.count < tokens.length) {
      const token = tokens[this.count];
      let bytes = this.spellings.of(token.id);
      if (bytes === undefined) return null;
      if (this.size + bytes.length > visible) {
        if (!hasEnded) break;
        bytes = bytes.slice(0, Math.max(visible - this.size, 0));
      }
      this.count++;
      this.size += bytes.length;
      this.#take(token, this.decoder.decode(bytes, { stream: true }), parts);
    }
    if (hasEnded) this.#take(null, this.decoder.decode(), parts);
    return parts;
  }

  #take(token, text, parts) {
    if (token) this.held.push(token);
    if (!text) return;
    this.text += text;
    parts.push({ text, tokens: this.held });
    this.held = [];
  }
}

// Returns the probability that the model gave to all tokens of a part.
export function probability(part) {
  return Math.exp(part.tokens.reduce((sum, x) => sum + (x.logprob ?? 0), 0));
}
