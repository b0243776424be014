// A server, a prompt and settings come in, the same request as curl and as
// Python goes out.

import { SEPARATOR, SETTINGS } from "./settings.js";
import { Row, columns } from "./writing.js";

const LISTS = ["stop", "banned"];

export function asCurl(server, prompt, rows) {
  const instances = rows.map((settings) => {
    const inputs = columns(server, [new Row(prompt, settings)], 0);
    const entries = Object.entries(inputs);
    return Object.fromEntries(entries.map(([name, [value]]) => [name, value]));
  });
  const body = { signature_name: "generate", instances };
  const data = inShell(JSON.stringify(body, null, 1));
  return `curl ${inShell(`${server.path()}:predict`)} \\\n  -d ${data}\n`;
}

export function asPython(server, prompt, rows) {
  const { base, name, version } = server;
  const which = /^\d+$/.test(version)
    ? `, version=${version}`
    : version && `, label=${inPython(version)}`;
  const client = `Client(${inPython(base)}, ${inPython(name)}${which})`;
  const call = (method, settings) => {
    const parts = [inPython(prompt), ...keywords(settings)];
    const lines = parts.map((part) => `        ${part},\n`).join("");
    return `client.${method}(\n${lines}    )`;
  };
  const seeds = rows.map((row) => row.seed);
  const body =
    rows.length === 1
      ? `    pieces = ${call("stream", rows[0])}\n` +
        "    for piece in pieces:\n" +
        '        print(piece, end="", flush=True)\n'
      : `    for seed in [${seeds.join(", ")}]:\n` +
        `        one = ${indented(call("generate", { ...rows[0], seed: null }))}` +
        "\n        print(one.text)\n";
  return (
    "from gpt_keras.serving.client import Client\n\n" +
    `with ${client} as client:\n${body}`
  );
}

function indented(text) {
  return text.replaceAll("\n", "\n    ");
}

// Returns what differs from Python's defaults.
function keywords(settings) {
  return Object.entries(settings)
    .filter(([name, value]) => value !== SETTINGS[name].standard)
    .map(([name, value]) => {
      if (value === null) return `${name}=${name}`;
      if (!LISTS.includes(name)) return `${name}=${inPython(value)}`;
      const texts = value.split(SEPARATOR).filter((text) => text !== "");
      return `${name}=[${texts.map(inPython).join(", ")}]`;
    });
}

// JSON's strings and numbers are Python's, too.
const inPython = (value) => JSON.stringify(value);
const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
