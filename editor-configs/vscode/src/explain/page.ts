/** The explanation of a completion as a page. Pure. */

import { escape } from "../html";

/** The answer of `mellum/explain`. */
export interface Explanation {
  prompt: string;
  parts: { kind: string; path: string; tokens: number }[];
  tokens: { prompt: number; reused: number; evaluated: number; generated: number };
  chunks: Chunk[];
  steps: { rule: string; before: string; after: string }[];
  gate: { probability: number; threshold: number };
  text: string;
  reason: string;
  timings: { total_ms: number; retrieval_ms: number; prefill_ms: number; decode_ms: number };
  model: string;
  source: string;
}

export interface Chunk {
  path: string;
  start_line: number;
  end_line: number;
  score: number;
  strategy: string;
  form: string;
}

/** The command behind a chunk's link; its arguments are those of `chunkLink`. */
export const OPEN_CHUNK = "mellum.openChunk";

/** `place` says where it was asked for, such as `cart.py:12:5`. The page holds no script. */
export function page(explanation: Explanation, place: string): string {
  const sections = [
    outcome(explanation),
    confidence(explanation),
    times(explanation),
    context(explanation),
    steps(explanation),
    prompt(explanation),
  ];
  const policy = "default-src 'none'; style-src 'unsafe-inline'";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Mellum: why this completion</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(place)}</h1>
${sections.join("\n")}
</body>
</html>`;
}

function outcome({ text, reason, model, source }: Explanation): string {
  const by = `<p class="dim">${escape(model || "no model")}${source ? `, ${escape(source)} plan` : ""}</p>`;
  return text
    ? `<h2>Shown</h2>\n${code(text)}\n${by}`
    : `<h2>Nothing is shown</h2>\n<p class="reason">${escape(reason || "no reason was given")}</p>\n${by}`;
}

function confidence({ gate }: Explanation): string {
  const verdict = gate.probability >= gate.threshold ? "enough" : "not enough";
  return `<h2>How sure</h2>
<p>The model's joint probability is <b>${gate.probability.toFixed(2)}</b>; at least ${gate.threshold.toFixed(2)} is asked for: ${verdict}.</p>
<div class="bar"><i style="width:${percent(gate.probability)}"></i><u style="left:${percent(gate.threshold)}"></u></div>`;
}

function times({ timings, tokens }: Explanation): string {
  const { total_ms, retrieval_ms, prefill_ms, decode_ms } = timings;
  const other = Math.max(0, total_ms - retrieval_ms - prefill_ms - decode_ms);
  const rows = [
    row("project context", ms(retrieval_ms), ""),
    row("prompt", ms(prefill_ms), `${tokens.prompt} tokens, ${tokens.reused} kept from before, ${tokens.evaluated} evaluated`),
    row("writing", ms(decode_ms), `${tokens.generated} tokens`),
    row("everything else", ms(other), ""),
    row("<b>together</b>", `<b>${ms(total_ms)}</b>`, ""),
  ];
  return `<h2>Time</h2>\n<table>${rows.join("")}</table>`;
}

function context({ chunks }: Explanation): string {
  if (chunks.length === 0) {
    return "<h2>Project context</h2>\n<p>None of the project's other code was shown to the model.</p>";
  }
  const rows = chunks.map((chunk) => {
    const lines = `${chunk.path}:${chunk.start_line}–${chunk.end_line}`;
    const form = chunk.form === "compressed" ? "signatures only" : "in full";
    return row(
      `<a href="${escape(chunkLink(chunk))}">${escape(lines)}</a>`,
      chunk.score.toFixed(2),
      escape(`${chunk.strategy}, ${form}`),
    );
  });
  return `<h2>Project context</h2>\n<table>${rows.join("")}</table>`;
}

/** A link that opens the chunk's lines. */
export function chunkLink({ path, start_line, end_line }: Chunk): string {
  return `command:${OPEN_CHUNK}?${encodeURIComponent(JSON.stringify([path, start_line, end_line]))}`;
}

function steps({ steps }: Explanation): string {
  if (steps.length === 0) {
    return "";
  }
  const told = steps.map(
    ({ rule, before, after }) =>
      `<dt>${escape(rule)}</dt>\n<dd><div class="pair">${code(before)}${after ? code(after) : "<p class='reason'>refused</p>"}</div></dd>`,
  );
  return `<h2>From draft to suggestion</h2>\n<dl>${told.join("\n")}</dl>`;
}

function prompt({ prompt, parts }: Explanation): string {
  if (!prompt) {
    return "<h2>Prompt</h2>\n<p>The model was not asked.</p>";
  }
  const rows = parts.map((part) => row(escape(part.kind), String(part.tokens), escape(part.path)));
  return `<h2>Prompt</h2>\n<table>${rows.join("")}</table>
<details><summary>Exactly what the model read (${prompt.length} characters)</summary>${code(prompt)}</details>`;
}

function row(name: string, figure: string, more: string): string {
  return `<tr><td>${name}</td><td class="figure">${figure}</td><td class="dim">${more}</td></tr>`;
}

function code(text: string): string {
  // A newline right behind <pre> would be dropped.
  return `<pre>\n${escape(text)}</pre>`;
}

function ms(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)} ms`;
}

function percent(share: number): string {
  return `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(1)}%`;
}

const STYLE = `
body { font: var(--vscode-font-size, 13px) var(--vscode-font-family, sans-serif); padding: 0 1.5em 2em; max-width: 60em; }
h1 { font-size: 1.2em; font-family: var(--vscode-editor-font-family, monospace); }
h2 { font-size: 1.05em; margin: 1.6em 0 .4em; }
pre { font: var(--vscode-editor-font-size, 13px) var(--vscode-editor-font-family, monospace); white-space: pre-wrap;
  background: var(--vscode-textCodeBlock-background); padding: .6em .8em; margin: 0; border-radius: 3px; }
table { border-collapse: collapse; }
td:first-child { white-space: nowrap; }
td { padding: .15em 1.2em .15em 0; vertical-align: top; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.dim { color: var(--vscode-descriptionForeground); }
.reason { font-weight: 600; }
.bar { position: relative; height: 8px; width: 20em; max-width: 100%; background: var(--vscode-textCodeBlock-background); }
.bar i { position: absolute; height: 100%; background: var(--vscode-charts-purple, #8a63d2); }
.bar u { position: absolute; width: 2px; top: -3px; height: 14px; background: var(--vscode-foreground, #888); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6em; }
dd { margin: .2em 0 1em; }
a { color: var(--vscode-textLink-foreground); white-space: normal; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: .6em 0; }
`;
