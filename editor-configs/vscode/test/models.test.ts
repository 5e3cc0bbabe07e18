import assert from "node:assert/strict";
import test from "node:test";
import { errorOf, Model, progressOf, row, terms } from "../src/models/list";

const MODEL: Model = {
  name: "mellum-4b-base",
  title: "Mellum 4B",
  path: null,
  repository: "JetBrains/Mellum-4b-base-gguf",
  licence: "Apache-2.0",
  limits: "",
  size_gb: 4.3,
  memory_gb: 6.08,
  fits: true,
};

test("a model says its size and whether it is here", () => {
  assert.equal(row(MODEL, false).description, "4.3 GB · to download");
  assert.equal(row({ ...MODEL, path: "/m.gguf" }, true).description, "4.3 GB · here · in use");
});

test("a model that is too big says so before it is chosen", () => {
  assert.match(row({ ...MODEL, fits: false }, false).description, /needs 6.08 GB of memory: too big/);
  assert.match(terms({ ...MODEL, fits: false }), /this machine does not have/);
});

test("the terms name source and licence with its limits", () => {
  const told = terms({ ...MODEL, licence: "Mellum licence", limits: "Not for competitors." });
  assert.match(told, /huggingface\.co\/JetBrains\/Mellum-4b-base-gguf/);
  assert.match(told, /Mellum licence/);
  assert.match(told, /Not for competitors/);
});

test("lines of a download are its progress, others are not", () => {
  assert.deepEqual(progressOf(" 12%  0.52 of 4.30 GB"), { percent: 12, words: "12%, 0.52 of 4.30 GB" });
  assert.equal(progressOf("JetBrains/Mellum: mellum.gguf, 4.30 GB"), undefined);
});

test("an error is told with what to do next", () => {
  const stderr = "  3%  0.1 of 4.3 GB\nerror: the hub cannot be reached\nhint: check the connection\n";
  assert.equal(errorOf(stderr), "the hub cannot be reached check the connection");
});
