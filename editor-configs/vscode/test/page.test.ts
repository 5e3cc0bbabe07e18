import assert from "node:assert/strict";
import test from "node:test";
import { chunkLink, Explanation, page } from "../src/explain/page";

const EXPLANATION: Explanation = {
  prompt: "<filename>shop/cart.py\n<fim_suffix>\n<fim_prefix>def add(a, b):\n    <fim_middle>",
  parts: [{ kind: "prefix", path: "shop/cart.py", tokens: 9 }],
  tokens: { prompt: 17, reused: 16, evaluated: 1, generated: 5 },
  chunks: [{ path: "shop/a&b.py", start_line: 3, end_line: 17, score: 0.31, strategy: "tokens", form: "compressed" }],
  steps: [{ rule: "stop: statement", before: "return a + b\n", after: "return a + b" }],
  gate: { probability: 0.94, threshold: 0.5 },
  text: "return a + b",
  reason: "",
  timings: { total_ms: 61, retrieval_ms: 2.1, prefill_ms: 8.9, decode_ms: 48.2 },
  model: "nano-135m",
  source: "full",
};

test("the page tells text, gate, times, context, steps and prompt", () => {
  const html = page(EXPLANATION, "cart.py:2:5");
  const told = ["cart.py:2:5", "return a + b", "0.94", "0.50 is asked for: enough", "61 ms", "16 kept", "signatures only", "stop: statement", "&lt;fim_middle&gt;"];
  for (const words of told) {
    assert.ok(html.includes(words), words);
  }
});

test("nothing in it is read as HTML, and no script may run", () => {
  const html = page({ ...EXPLANATION, text: "<script>alert(1)</script>", reason: "<img>" }, "<b>.py:1:1");
  assert.ok(!/<script|<img|<b>\.py/.test(html), html);
  assert.ok(html.includes("default-src 'none'"));
});

test("a silence says its reason instead of a text", () => {
  const html = page({ ...EXPLANATION, text: "", reason: "gated p=0.12", gate: { probability: 0.12, threshold: 0.5 } }, "a.py:1:1");
  assert.ok(html.includes("Nothing is shown") && html.includes("gated p=0.12") && html.includes("not enough"));
});

test("a place without a prompt is explained too", () => {
  const html = page({ ...EXPLANATION, prompt: "", parts: [], chunks: [], steps: [], text: "", reason: "disabled" }, "a.py:1:1");
  assert.ok(html.includes("The model was not asked."));
});

test("a chunk's link carries its place, whatever its name", () => {
  const link = chunkLink({ ...EXPLANATION.chunks[0], path: `it's "a" & <b>.py` });
  const [, , args] = /^command:(.*?)\?(.*)$/.exec(link) ?? [];
  assert.deepEqual(JSON.parse(decodeURIComponent(args)), [`it's "a" & <b>.py`, 3, 17]);
});
