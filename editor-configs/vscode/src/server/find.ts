/** Finds a program: by its path, on the PATH, or in the environment of a Python interpreter. */

import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join } from "node:path";

const WINDOWS = process.platform === "win32";

/** The full path of `name`, a name on the PATH or a path (`~` is the home directory); undefined where there is none. */
export async function findProgram(name: string, path = process.env.PATH ?? ""): Promise<string | undefined> {
  const wanted = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  return isAbsolute(wanted)
    ? firstThatRuns([wanted])
    : firstThatRuns(path.split(delimiter).filter(Boolean).map((folder) => join(folder, wanted)));
}

/** The program `name` of a Python environment, given by its folder or by its interpreter. */
export async function findInEnvironment(environment: string, name: string): Promise<string | undefined> {
  return firstThatRuns(programFolders(environment).map((folder) => join(folder, name)));
}

/** Where a Python environment keeps its programs. */
export function programFolders(environment: string): string[] {
  const ofFolder = join(environment, WINDOWS ? "Scripts" : "bin");
  const isInterpreter = /^python[\d.]*(\.exe)?$/i.test(basename(environment));
  if (!isInterpreter) {
    return [ofFolder];
  }
  const beside = dirname(environment);
  return WINDOWS ? [beside, join(beside, "Scripts")] : [beside];
}

async function firstThatRuns(paths: readonly string[]): Promise<string | undefined> {
  const endings = WINDOWS ? [".exe", ".cmd", ""] : [""];
  for (const path of paths) {
    for (const ending of endings) {
      if (await runs(path + ending)) {
        return path + ending;
      }
    }
  }
  return undefined;
}

async function runs(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
