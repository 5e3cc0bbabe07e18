/** Where the server may be, in the order in which it is looked for. */

import { join } from "node:path";
import { extensions, Uri, workspace } from "vscode";
import { serverPath } from "../settings";
import { findInEnvironment, findProgram } from "./find";

const NAME = "mellum-lsp";

/** What the Python extension tells of itself, as far as it is needed here. */
interface PythonExtension {
  environments?: { getActiveEnvironmentPath(resource?: Uri): { path: string } };
}

export interface Found {
  program: string;
  /** For people: why this one. */
  where: string;
}

/** The server's program; undefined where there is none. `own` is the folder of the environment that we made. */
export async function findServer(own: string): Promise<Found | undefined> {
  const wanted = serverPath();
  if (wanted) {
    return found(findProgram(wanted), "the setting mellum.serverPath");
  }
  return (
    (await found(findProgram(NAME), "the PATH")) ??
    (await inSelectedInterpreter()) ??
    (await inWorkspace()) ??
    (await found(findInEnvironment(own, NAME), "its own environment"))
  );
}

/** The Python interpreter that the user has selected for the workspace, by the Python extension. */
export async function selectedInterpreter(): Promise<string | undefined> {
  const python = extensions.getExtension<PythonExtension>("ms-python.python");
  if (!python) {
    return undefined;
  }
  try {
    const api = python.isActive ? python.exports : await python.activate();
    return api.environments?.getActiveEnvironmentPath(workspace.workspaceFolders?.[0]?.uri).path || undefined;
  } catch {
    return undefined; // That extension is in trouble of its own.
  }
}

async function inSelectedInterpreter(): Promise<Found | undefined> {
  // A workspace can name an interpreter, and with it a program.
  const interpreter = workspace.isTrusted ? await selectedInterpreter() : undefined;
  return interpreter ? found(findInEnvironment(interpreter, NAME), "the selected Python interpreter") : undefined;
}

async function inWorkspace(): Promise<Found | undefined> {
  if (!workspace.isTrusted) {
    return undefined; // The program would be the workspace's.
  }
  for (const folder of workspace.workspaceFolders ?? []) {
    for (const name of [".venv", "venv"]) {
      const environment = join(folder.uri.fsPath, name);
      const program = await found(findInEnvironment(environment, NAME), `${folder.name}/${name}`);
      if (program) {
        return program;
      }
    }
  }
  return undefined;
}

async function found(search: Promise<string | undefined>, where: string): Promise<Found | undefined> {
  const program = await search;
  return program ? { program, where } : undefined;
}
