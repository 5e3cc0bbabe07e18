/** Finds a Python that can run the server. */

import { findProgram } from "./find";
import { run } from "./run";

/** As pyproject.toml asks for. */
export const OLDEST = [3, 11] as const;

const NAMES =
  process.platform === "win32" ? ["python", "python3"] : ["python3", "python3.13", "python3.12", "python3.11", "python"];

export interface Python {
  program: string;
  version: string;
}

/**
 * The first of `preferred` and of those on the PATH that is new enough.
 *
 * `tooOld` are those that were found and are not.
 */
export async function findPython(
  preferred: readonly (string | undefined)[],
): Promise<{ python?: Python; tooOld: Python[] }> {
  const tooOld: Python[] = [];
  for (const name of [...preferred, ...NAMES]) {
    const program = name && (await findProgram(name));
    const version = program && (await versionOf(program));
    if (!program || !version || tooOld.some((other) => other.program === program)) {
      continue;
    }
    if (isNewEnough(version)) {
      return { python: { program, version }, tooOld };
    }
    tooOld.push({ program, version });
  }
  return { tooOld };
}

/** Whether a version such as `3.12` is one that the server runs on. */
export function isNewEnough(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

async function versionOf(program: string): Promise<string | undefined> {
  try {
    const asked = await run(program, ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    const version = asked.stdout.trim();
    return asked.code === 0 && /^\d+\.\d+$/.test(version) ? version : undefined;
  } catch {
    return undefined;
  }
}
