/** Installs the server into an environment of its own: `python -m venv`, then pip. */

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { findInEnvironment } from "./find";
import { Cancel, Finished, run } from "./run";

export interface Installation {
  python: string;
  /** The environment's folder; one that is there already is kept and brought up to date. */
  folder: string;
  /** What pip is asked for. */
  package: string;
  environment?: NodeJS.ProcessEnv;
  cancel: Cancel;
  onStep(step: string): void;
  onLine(line: string): void;
}

/** An installation came to nothing; the message says why and what to do. */
export class InstallationFailed extends Error {}

/** The full path of the server's program; undefined where the user has cancelled. Throws `InstallationFailed`. */
export async function install(wanted: Installation): Promise<string | undefined> {
  const isNew = !existsSync(wanted.folder);
  try {
    const program = await attempt(wanted);
    if (!program && isNew) {
      await rm(wanted.folder, { recursive: true, force: true });
    }
    return program;
  } catch (error) {
    if (isNew) {
      // Half an environment would be found again and not work.
      await rm(wanted.folder, { recursive: true, force: true });
    }
    throw error;
  }
}

async function attempt(wanted: Installation): Promise<string | undefined> {
  const { cancel, environment, folder, onLine, onStep } = wanted;
  const step = async (program: string, args: string[], heard = onLine): Promise<boolean> => {
    onLine(`$ ${[program, ...args].join(" ")}`);
    const done = await run(program, args, { cancel, environment, onLine: heard });
    if (!done.cancelled && done.code !== 0) {
      throw new InstallationFailed(explain(done));
    }
    return !done.cancelled;
  };

  onStep("making an environment");
  if (!(await step(wanted.python, ["-m", "venv", folder]))) {
    return undefined;
  }
  const python = await findInEnvironment(folder, "python");
  if (!python) {
    throw new InstallationFailed(`${wanted.python} made no usable environment in ${folder}.`);
  }
  const heard = (line: string) => {
    onLine(line);
    const told = stepOf(line);
    if (told) {
      onStep(told);
    }
  };
  const options = ["--upgrade", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
  onStep(`asking for ${wanted.package}`);
  if (!(await step(python, ["-m", "pip", "install", ...options, wanted.package], heard))) {
    return undefined;
  }
  const program = await findInEnvironment(folder, "mellum-lsp");
  if (!program) {
    throw new InstallationFailed(`${wanted.package} was installed, but it has no program mellum-lsp.`);
  }
  onStep("checking that it starts");
  return (await step(program, ["--version"])) ? program : undefined;
}

/** What a line of pip's says of its progress; undefined where it says nothing new. */
export function stepOf(line: string): string | undefined {
  const words = line.trim();
  const collecting = /^Collecting ([\w.-]+)/.exec(words);
  if (collecting) {
    return `fetching ${collecting[1]}`;
  }
  const building = /^Building wheel for ([\w.-]+)/.exec(words);
  if (building) {
    const compiled = building[1] === "llama-cpp-python" ? " for this processor: some minutes" : "";
    return `building ${building[1]}${compiled}`;
  }
  return words.startsWith("Installing collected packages") ? "installing" : undefined;
}

const CAUSES: [RegExp, string][] = [
  [
    /ensurepip is not available|No module named '?(venv|ensurepip)|ensurepip.*non-zero/,
    "This Python cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv.",
  ],
  [/No space left on device|ENOSPC/, "The disk is full."],
  [
    /NewConnectionError|Temporary failure in name resolution|Failed to establish a new connection|ConnectTimeout|ReadTimeout|ProxyError|CERTIFICATE_VERIFY_FAILED|Network is unreachable|getaddrinfo/,
    "The package index could not be reached. Check the connection; behind a proxy, set VS Code's http.proxy.",
  ],
  [
    /CMAKE_C(XX)?_COMPILER|no C(\+\+)? compiler|Failed (to build|building wheel for) .*llama|Microsoft Visual C\+\+/i,
    "llama.cpp could not be compiled: a C++ compiler is needed (Debian: sudo apt install build-essential; macOS: xcode-select --install; Windows: Visual Studio Build Tools).",
  ],
  [
    /No matching distribution found|Could not find a version that satisfies|Invalid requirement|does not appear to be a Python project/,
    "pip knows no such package; the setting mellum.serverPackage says which one is wanted.",
  ],
  [/requires a different Python|Requires-Python/, "The package needs a newer Python."],
  [/Permission denied/, "There is no permission to write there."],
];

/** Why pip or venv failed, for people: a known cause, or else their last line. */
export function explain(done: Pick<Finished, "stdout" | "stderr">): string {
  const output = `${done.stdout}\n${done.stderr}`;
  const known = CAUSES.find(([pattern]) => pattern.test(output));
  const last = output.split("\n").filter((line) => line.trim()).at(-1)?.trim();
  return known?.[1] ?? last ?? "It said nothing.";
}
