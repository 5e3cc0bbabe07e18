import assert from "node:assert/strict";
import test from "node:test";
import { Ghost } from "../src/ghost";

/** A ghost offered where `|` is in `document`; what it replaces stands between two of them. */
function ghost(document: string, text: string, id = "a"): Ghost {
  const [before, ...rest] = document.split("|");
  const replaced = rest.length > 1 ? rest[0] : "";
  const whole = before + rest.join("");
  return new Ghost({ id, text, start: before.length, end: before.length + replaced.length }, whole, 0);
}

test("nothing of a ghost is taken while its document stays as it is", () => {
  assert.equal(ghost("x = |\n", "a + b").taken("x = \n"), 0);
});

test("what is typed or taken of it counts in UTF-16 units", () => {
  const shown = ghost("x = |\ny = 2\n", "'🙂' + b");
  assert.equal(shown.taken("x = '🙂'\ny = 2\n"), 4);
  assert.ok(shown.isComplete(shown.taken("x = '🙂' + b\ny = 2\n") ?? 0));
});

test("a closer that the editor puts behind the caret is not the user's", () => {
  assert.equal(ghost("f|", "(a, b)").taken("f()"), 1);
  assert.equal(ghost("f(|)|", "a, b)").taken("f(a)"), 1);
});

test("something else typed in its place is no part of it", () => {
  assert.equal(ghost("x = |\n", "a + b").taken("x = q\n"), -1);
});

test("a change somewhere else says nothing of the ghost", () => {
  assert.equal(ghost("x = |\ny = 2\n", "a + b").taken("x = \ny = 3\n"), undefined);
});

test("the rest of a ghost leads where the ghost led", () => {
  assert.ok(ghost("x = |\n", "a + b").leadsWhere(ghost("x = a +|\n", " b", "later")));
  assert.ok(!ghost("x = |\n", "a + b").leadsWhere(ghost("x = |\n", "a + c", "other")));
});

test("lines of a CRLF document are compared as they are", () => {
  const shown = ghost("if x:\r\n    |\r\n", "go()\r\n    stop()");
  assert.equal(shown.taken("if x:\r\n    go()\r\n    \r\n"), "go()\r\n    ".length);
});
