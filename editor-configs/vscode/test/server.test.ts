import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { findInEnvironment, findProgram } from "../src/server/find";
import { explain, stepOf } from "../src/server/install";
import { isNewEnough } from "../src/server/python";
import { Cancel, run } from "../src/server/run";

/** A folder with an environment `venv` that holds the programs `python3` and `mellum-lsp`. */
async function withEnvironment(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "mellum-find-"));
  try {
    await mkdir(join(folder, "venv", "bin"), { recursive: true });
    for (const name of ["python3", "mellum-lsp"]) {
      await writeFile(join(folder, "venv", "bin", name), "#!/bin/sh\n");
      await chmod(join(folder, "venv", "bin", name), 0o755);
    }
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a program is found by its path, on the PATH, and beside an interpreter", () =>
  withEnvironment(async (folder) => {
    const program = join(folder, "venv", "bin", "mellum-lsp");
    assert.equal(await findProgram(program), program);
    assert.equal(await findProgram("mellum-lsp", `${folder}:${join(folder, "venv", "bin")}`), program);
    assert.equal(await findInEnvironment(join(folder, "venv"), "mellum-lsp"), program);
    assert.equal(await findInEnvironment(join(folder, "venv", "bin", "python3"), "mellum-lsp"), program);
  }));

test("a folder and a file that does not run are no programs", () =>
  withEnvironment(async (folder) => {
    await chmod(join(folder, "venv", "bin", "mellum-lsp"), 0o644);
    assert.equal(await findProgram("mellum-lsp", join(folder, "venv", "bin")), undefined);
    assert.equal(await findProgram("venv", folder), undefined);
  }));

test("Python is compared by numbers", () => {
  assert.ok(isNewEnough("3.11") && isNewEnough("3.100") && isNewEnough("4.0"));
  assert.ok(!isNewEnough("3.9") && !isNewEnough("2.99"));
});

test("a program's lines are heard whole, and its code is told", async () => {
  const lines: string[] = [];
  const done = await run("sh", ["-c", "printf 'one\\ntw'; sleep 0.05; printf 'o\\nthree'; exit 3"], {
    onLine: (line) => lines.push(line),
  });
  assert.deepEqual(lines, ["one", "two", "three"]);
  assert.equal(done.code, 3);
});

test("a cancelled program ends with all that it started", async () => {
  let cancelNow = () => {};
  const cancel: Cancel = {
    isCancellationRequested: false,
    onCancellationRequested: (listener) => {
      cancelNow = listener;
      return { dispose: () => {} };
    },
  };
  const done = await run("sh", ["-c", "sleep 60 & echo started; wait"], { cancel, onLine: () => cancelNow() });
  assert.ok(done.cancelled); // The output of `sleep` would otherwise stay open for a minute.
});

test("a program that is not there is an error", async () => {
  await assert.rejects(run("/nowhere/at/all", []));
});

test("known causes of a failed installation say what to do", () => {
  const because = (stderr: string) => explain({ stdout: "", stderr });
  assert.match(because("The virtual environment was not created because ensurepip is not available."), /python3-venv/);
  const offline = "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found for mellum-lsp";
  assert.match(because(offline), /could not be reached/);
  assert.match(because("ERROR: No matching distribution found for mellum-lps"), /mellum\.serverPackage/);
  assert.match(because("CMake Error: CMAKE_C_COMPILER not set\nERROR: Failed building wheel for llama-cpp-python"), /compiler is needed/);
  assert.equal(because("something\nnew happened\n"), "new happened");
});

test("pip's lines say what it does", () => {
  assert.equal(stepOf("Collecting numpy>=2.4 (from mellum-lsp)"), "fetching numpy");
  assert.match(stepOf("  Building wheel for llama-cpp-python (pyproject.toml): started") ?? "", /some minutes/);
  assert.equal(stepOf("  Downloading numpy.whl (15 MB)"), undefined);
});
