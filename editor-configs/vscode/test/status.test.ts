import assert from "node:assert/strict";
import test from "node:test";
import { Circumstances, shown, Status } from "../src/status/text";

const READY: Status = {
  state: "ready",
  message: "",
  model: "nano-135m",
  engine: { pid: 4711, mode: "shared" },
  index: { files: 412, chunks: 3977, state: "ready" },
};
const NOTHING: Circumstances = { paused: "", progress: "" };

const text = (status: Partial<Status>, circumstances: Partial<Circumstances> = {}) =>
  shown({ ...READY, ...status }, { ...NOTHING, ...circumstances }).text;

test("a server that suggests is no more than its name", () => {
  assert.equal(text({}), "$(sparkle) Mellum");
});

test("a silence says its reason", () => {
  assert.equal(text({ message: "nothing to show: gated p=0.43" }), "$(sparkle) Mellum: silent: gated 0.43");
  assert.equal(text({ message: "nothing to show: mid-word" }), "$(sparkle) Mellum: silent: mid-word");
});

test("a silence that the next key ended is not worth a word", () => {
  assert.equal(text({ message: "nothing to show: superseded" }), "$(sparkle) Mellum");
});

test("a long reason leaves room for others", () => {
  assert.ok(text({ message: `nothing to show: engine failed: ${"x".repeat(200)}` }).length < 70);
});

test("loading says how far it is", () => {
  assert.equal(text({ state: "loading" }, { progress: "40%" }), "$(loading~spin) Mellum: loading 40%");
});

test("a pause outweighs a silence, and trouble a pause", () => {
  assert.equal(text({ message: "nothing to show: empty" }, { paused: "in python" }), "$(debug-pause) Mellum: paused in python");
  const failed = shown({ ...READY, state: "failed" }, { ...NOTHING, paused: "everywhere" });
  assert.equal(failed.text, "$(warning) Mellum: failed");
  assert.ok(failed.isTrouble);
});

test("the tooltip tells model, engine and index", () => {
  const { tooltip } = shown(READY, NOTHING);
  for (const told of ["nano\\-135m", "shared with your other editors, process 4711", "412 files, 3977 chunks"]) {
    assert.ok(tooltip.includes(told), tooltip);
  }
});

test("what a server says is text, not Markdown", () => {
  const { tooltip } = shown({ ...READY, message: "[x](command:evil) `a`\n# b" }, NOTHING);
  assert.ok(tooltip.includes("\\[x\\]\\(command:evil\\) \\`a\\` \\# b"), tooltip);
});
