/** Finds the program that serves. */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

/** The full path of `name`, a name on the PATH or a path (`~` is the home directory); undefined where there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const endings = process.platform === "win32" ? ["", ".exe", ".cmd"] : [""];
  for (const place of places(name)) {
    for (const ending of endings) {
      if (await runs(place + ending)) {
        return place + ending;
      }
    }
  }
  return undefined;
}

function places(name: string): string[] {
  const path = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  if (isAbsolute(path)) {
    return [path];
  }
  return (process.env.PATH ?? "").split(delimiter).filter(Boolean).map((folder) => join(folder, path));
}

async function runs(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
