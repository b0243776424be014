// Keys come in, the page's words in English or Chinese go out.

// Each has [English, 中文]; {name} is filled in.
export const STRINGS = {
  playground: ["playground", "试验场"],
  language: ["Language", "语言"],
  theme: ["Theme", "外观"],
  theme_auto: ["Auto", "自动"],
  theme_light: ["Light", "浅色"],
  theme_dark: ["Dark", "深色"],
  views: ["Views", "视图"],
  tab_write: ["Write", "写作"],
  tab_score: ["Score", "评分"],
  tab_card: ["Model card", "模型卡"],

  connecting: ["Connecting…", "正在连接…"],
  connected: ["{name} · version {version}", "{name} · 版本 {version}"],
  not_connected: ["Not connected", "未连接"],

  prompt: ["Prompt", "提示"],
  prompt_hint: [
    "The model goes on from this text. Empty: it begins a document.",
    "模型会接着这段文字写下去。留空则从一篇文档的开头写起。",
  ],
  write: ["Write", "开始写"],
  stop: ["Stop", "停止"],
  more: ["Continue", "继续"],
  link: ["Copy link", "复制链接"],
  code: ["Show code", "显示代码"],
  copy: ["Copy", "复制"],
  copied: ["Copied.", "已复制。"],
  copied_link: [
    "The link with prompt and settings is in the clipboard.",
    "含提示与设置的链接已复制到剪贴板。",
  ],
  link_in_address: [
    "The link is in the address bar.",
    "链接就在地址栏里。",
  ],
  not_copied: [
    "The browser does not allow it: select the text and copy it.",
    "浏览器不允许：请选中文字后自行复制。",
  ],
  close: ["Close", "关闭"],
  empty: [
    "Write something, or leave the prompt empty, and press Write " +
      "(Ctrl+Enter). Each token gets the colour of its probability.",
    "输入提示（也可留空），再按“开始写”（Ctrl+Enter）。每个词元按其概率着色。",
  ],
  legend: ["Probability of each token", "每个词元的概率"],
  legend_above: ["{percent} or more", "{percent} 及以上"],
  legend_below: ["below {percent}", "低于 {percent}"],

  completions: ["Completions", "续写"],
  completion: ["Completion {number}", "续写 {number}"],
  seed_of: ["seed {seed}", "种子 {seed}"],
  state_writing: ["writing…", "书写中…"],
  state_stopped: ["stopped", "已停止"],
  state_failed: ["broken off", "已中断"],
  reason_stop: ["ended here", "到此结束"],
  reason_length: ["length reached", "已达长度"],
  reason_max_length: ["model full", "模型已满"],
  reason_repetition: ["repeated itself", "出现重复"],
  reason_refused: ["refused", "已拒绝"],
  reason_invalid: ["not written", "未写"],
  truncated: [
    "The prompt did not fit: the model read its end only.",
    "提示过长：模型只读了末尾部分。",
  ],
  tokens_of: [
    "Tokens of completion {number}. Arrow keys move from one to the next.",
    "续写 {number} 的词元，用方向键逐个移动。",
  ],
  tokens_of_score: [
    "Tokens of the text. Arrow keys move from one to the next.",
    "文本的词元，用方向键逐个移动。",
  ],
  plain: [
    "Without colours: the model has no `detokenize`, or the server changed " +
      "the text.",
    "无着色：模型没有 `detokenize`，或服务器改动了文本。",
  ],
  writing_status: ["Writing…", "正在写…"],
  done_status: [
    "Done: {count} tokens in {seconds} s.",
    "完成：{seconds} 秒内写了 {count} 个词元。",
  ],
  stopped_status: [
    "Stopped. Continue goes on from here.",
    "已停止。按“继续”接着写。",
  ],

  kept_status: [
    "What was written stays. Continue goes on from here.",
    "已写的文字保留。按“继续”接着写。",
  ],

  token_label: ["{text}, {percent}", "{text}，{percent}"],
  token_joined: [
    "{count} tokens together make this text.",
    "{count} 个词元合成这段文字。",
  ],
  token_probability: ["Probability", "概率"],
  token_logprob: ["log-probability {value}", "对数概率 {value}"],
  token_others: ["The likeliest here", "此处最可能的词元"],
  token_chosen: ["chosen", "所选"],
  token_id: ["token {id}", "词元 {id}"],

  score_text: ["Text to score", "要评分的文本"],
  score_hint: [
    "How likely does the model find this text?",
    "模型认为这段文字有多大可能？",
  ],
  score_prompt: [
    "What stands before it (may be empty)",
    "它之前的文字（可留空）",
  ],
  score: ["Score", "评分"],
  scoring: ["Scoring…", "正在评分…"],
  result: ["Result", "结果"],
  bits_per_byte: ["Bits per byte", "每字节比特"],
  perplexity: ["Perplexity per token", "每词元困惑度"],
  total_logprob: ["Log-probability", "对数概率"],
  count_tokens: ["Tokens", "词元"],
  count_bytes: ["Bytes", "字节"],
  score_empty: ["There is no text to score.", "没有要评分的文本。"],

  settings: ["Settings", "设置"],
  reset: ["Back to the defaults", "恢复默认值"],
  group_text: ["Text", "文本"],
  group_sampling: ["Sampling", "采样"],
  group_repetition: ["Repetition", "重复"],
  group_limits: ["Stop and banned texts", "停止与禁用文本"],
  group_server: ["Server", "服务器"],
  count: ["Completions", "续写数"],
  count_help: ["So many side by side.", "同时写这么多份。"],
  steps: ["Tokens per request", "每次请求的词元数"],
  steps_help: [
    "The text comes in pieces of so many.",
    "文字按此数目分段到来。",
  ],
  max_new_tokens: ["Longest text", "最大长度"],
  max_new_tokens_help: ["In tokens.", "以词元计。"],
  temperature: ["Temperature", "温度"],
  temperature_help: [
    "0 takes the likeliest token; more is bolder.",
    "0 取最可能的词元；越大越大胆。",
  ],
  top_k: ["Top k", "Top k"],
  top_k_help: [
    "Draws among so many of the likeliest; 0 is off.",
    "只在最可能的若干词元中抽取；0 为关闭。",
  ],
  top_p: ["Top p", "Top p"],
  top_p_help: [
    "Draws among the likeliest that have this probability together; 1 is off.",
    "只在合计达到此概率的最可能词元中抽取；1 为关闭。",
  ],
  min_p: ["Min p", "Min p"],
  min_p_help: [
    "Leaves out what has less than this share of the likeliest one's " +
      "probability; 0 is off.",
    "舍去概率低于最大概率此比例的词元；0 为关闭。",
  ],
  repetition_penalty: ["Repetition penalty", "重复惩罚"],
  repetition_penalty_help: [
    "A factor against tokens of prompt and text; 1 is off.",
    "按倍数抑制提示与文本中已有的词元；1 为关闭。",
  ],
  frequency_penalty: ["Frequency penalty", "频率惩罚"],
  frequency_penalty_help: [
    "Off the logit for each time in the text; 0 is off.",
    "文本中每出现一次便从 logit 中减去；0 为关闭。",
  ],
  presence_penalty: ["Presence penalty", "出现惩罚"],
  presence_penalty_help: [
    "Off the logit once it is in the text; 0 is off.",
    "文本中出现过便从 logit 中减去一次；0 为关闭。",
  ],
  no_repeat_ngram: ["No repeated n-gram", "禁止重复 n 元组"],
  no_repeat_ngram_help: [
    "No run of so many tokens comes twice; 0 is off.",
    "任何这么长的词元序列不出现两次；0 为关闭。",
  ],
  seed: ["Seed", "种子"],
  seed_help: [
    "The same seed gives the same text; -1 draws one. Several completions " +
      "count up from it.",
    "同一种子得到同一文本；-1 随机抽取。多份续写时逐一加一。",
  ],
  overflow: ["When the model is full", "模型写满时"],
  overflow_help: [
    "Stop, or go on with the newer half.",
    "停止，或保留较新的一半继续写。",
  ],
  overflow_stop: ["stop", "停止"],
  overflow_roll: ["go on", "继续"],
  stop_texts: ["Stop texts", "停止文本"],
  banned_texts: ["Banned texts", "禁用文本"],
  texts_help: [
    "One a line; \\n is a line break, \\t a tab.",
    "每行一条；\\n 表示换行，\\t 表示制表符。",
  ],
  base: ["Address", "地址"],
  base_help: [
    "Of a REST port, this server's or TensorFlow Serving's. At another " +
      "address TensorFlow Serving must run with " +
      "--rest_api_enable_cors_support=true, and this page must be allowed to " +
      "ask it (--playground_servers).",
    "REST 端口的地址：本服务器或 TensorFlow Serving。若在别的地址，" +
      "TensorFlow Serving 须以 --rest_api_enable_cors_support=true 启动，" +
      "且本页须获准访问它（--playground_servers）。",
  ],
  model: ["Model", "模型"],
  model_help: ["Its name on the server.", "它在服务器上的名字。"],
  version: ["Version or label", "版本或标签"],
  version_help: ["Empty: the newest.", "留空为最新。"],
  connect: ["Connect", "连接"],

  code_title: ["This request as code", "用代码发出此请求"],
  code_note: [
    "curl gets the text in one answer; the Python client gets it in pieces.",
    "curl 一次得到全文；Python 客户端逐段得到。",
  ],

  card_none: [
    "The server shows no model card: TensorFlow Serving has none, and this " +
      "page asks only the server that it comes from. What its metadata says:",
    "服务器没有提供模型卡：TensorFlow Serving 没有模型卡，" +
      "而本页只向自己所在的服务器询问。以下是其元数据：",
  ],
  card_use: ["Intended use", "用途"],
  card_limitations: ["Limitations", "局限"],
  card_notes: ["Notes", "说明"],
  card_model: ["Model", "模型"],
  card_weights: ["Weights", "权重"],
  card_tokenizer: ["Tokenizer", "分词器"],
  card_training: ["Training", "训练"],
  card_limits: ["Limits", "限制"],
  card_defaults: ["Defaults", "默认值"],
  card_policy: ["Policy", "策略"],
  card_software: ["Software", "软件"],
  card_signatures: ["Signatures", "签名"],
  card_inputs: ["in", "输入"],
  card_outputs: ["out", "输出"],

  error_gone: ["The server can't be reached.", "无法连接服务器。"],
  error_no_model: [
    "Which model? Type its name under Settings, Server.",
    "哪个模型？请在“设置”的“服务器”中输入名字。",
  ],
  error_elsewhere: [
    "{server} can't be reached from this page. Is it running? TensorFlow " +
      "Serving at another address must have been started with " +
      "--rest_api_enable_cors_support=true, and the server of this page with " +
      "--playground_servers={origin}.",
    "本页无法访问 {server}。它在运行吗？在别的地址的 TensorFlow Serving 须以 " +
      "--rest_api_enable_cors_support=true 启动，本页的服务器须以 " +
      "--playground_servers={origin} 启动。",
  ],
  error_timeout: [
    "The server took longer than a minute.",
    "服务器一分钟内没有回答。",
  ],
  error_answer: [
    "The answer is not what a model of TensorFlow Serving gives.",
    "收到的回答不是 TensorFlow Serving 模型所给的形式。",
  ],
  error_400: [
    "The server refused the request: {message}",
    "服务器拒绝了请求：{message}",
  ],
  error_404: [
    "The server has no such model or version: {message}",
    "服务器没有此模型或版本：{message}",
  ],
  error_413: ["The request is too large: {message}", "请求过大：{message}"],
  error_429: [
    "Too many requests; try again later: {message}",
    "请求过多，请稍后再试：{message}",
  ],
  error_500: [
    "The server has a fault: {message}",
    "服务器出错：{message}",
  ],
  error_503: [
    "The server is overloaded or not ready; try again later: {message}",
    "服务器过载或尚未就绪，请稍后再试：{message}",
  ],
  error_504: [
    "The server took too long; fewer tokens per request help: {message}",
    "服务器用时过长；可减少每次请求的词元数：{message}",
  ],
  error_status: [
    "The server answered with status {status}: {message}",
    "服务器返回状态 {status}：{message}",
  ],
  error_row: ["The model refused it: {message}", "模型拒绝了它：{message}"],
  error_no_generate: [
    "The model has no signature `generate`: export it with it.",
    "模型没有 `generate` 签名：请在导出时加上它。",
  ],
  error_no_score: [
    "The model has no signature `score`: export it with it.",
    "模型没有 `score` 签名：请在导出时加上它。",
  ],
  error_page: [
    "This page has a fault: {message}",
    "本页出错：{message}",
  ],

  footer: [
    "What a model writes is likely, not true.",
    "模型写的是可能的文字，未必属实。",
  ],
};

const LANGUAGES = ["en", "zh"];
const TAGS = { en: "en", zh: "zh-CN" };
const ATTRIBUTES = {
  label: "aria-label",
  placeholder: "placeholder",
};

let current = "en";

// Returns the first of the browser's languages that the page has.
export function browserLanguage() {
  const found = navigator.languages
    .map((tag) => tag.slice(0, 2).toLowerCase())
    .find((tag) => LANGUAGES.includes(tag));
  return found ?? "en";
}

export function setLanguage(language) {
  current = LANGUAGES.includes(language) ? language : "en";
  document.documentElement.lang = TAGS[current];
  translate(document.documentElement);
}

// Returns the words of a key.
export function words(key, values = {}) {
  const text = STRINGS[key][LANGUAGES.indexOf(current)];
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

// Gives an element words that follow the language; no key empties it.
export function say(element, key, values = {}) {
  element.dataset.text = key ?? "";
  element.dataset.values = JSON.stringify(values);
  translateOne(element);
}

// Gives an element a label for screen readers that follows the language.
export function label(element, key, values = {}) {
  element.dataset.label = key;
  element.dataset.values = JSON.stringify(values);
  translateOne(element);
}

// Writes a number as the language does.
export function number(value, options = {}) {
  return new Intl.NumberFormat(TAGS[current], options).format(value);
}

export function percent(value) {
  const digits = value >= 0.1 ? 0 : value >= 0.001 ? 1 : 3;
  return number(value, {
    style: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

// Writes a moment as the language does; what is none stays as it is.
export function date(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return String(text);
  const style = { dateStyle: "long", timeStyle: "short" };
  return new Intl.DateTimeFormat(TAGS[current], style).format(moment);
}

export function translate(root) {
  const selector = "[data-text], [data-label], [data-placeholder]";
  root.querySelectorAll(selector).forEach(translateOne);
}

function translateOne(element) {
  const values = JSON.parse(element.dataset.values ?? "{}");
  const { text } = element.dataset;
  if (text !== undefined) element.textContent = text && words(text, values);
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    const key = element.dataset[name];
    if (key) element.setAttribute(attribute, words(key, values));
  }
}
