/** The settings under `mellum`: some are the extension's own, all others are the server's. */

import { ExtensionContext, workspace } from "vscode";

export const SECTION = "mellum";

/** Settings that the server does not know. */
const OURS = new Set(["serverPath", "serverPackage", "trace.server"]);

/** What the user wrote as the server's path; empty where it is to be looked for. */
export function serverPath(): string {
  return workspace.getConfiguration(SECTION).get<string>("serverPath", "").trim();
}

/** What pip installs where the server is to be installed. */
export function serverPackage(): string {
  return workspace.getConfiguration(SECTION).get<string>("serverPackage", "").trim() || "mellum-lsp";
}

/**
 * What the server is told: every setting of its own that somebody has set, nested as the server has them.
 *
 * Defaults stay unsaid, so that a server of another version keeps its own.
 */
export function serverSettings(context: ExtensionContext): Record<string, unknown> {
  const configuration = workspace.getConfiguration(SECTION);
  const told: Record<string, unknown> = {};
  for (const name of serverNames(context)) {
    const { globalValue, workspaceValue, workspaceFolderValue } = configuration.inspect(name) ?? {};
    if ([globalValue, workspaceValue, workspaceFolderValue].some((value) => value !== undefined)) {
      put(told, name.split("."), configuration.get(name));
    }
  }
  return told;
}

/** The dotted names of the server's settings, from the manifest. */
function serverNames(context: ExtensionContext): string[] {
  const groups: { properties: object }[] = context.extension.packageJSON.contributes.configuration;
  return groups
    .flatMap((group) => Object.keys(group.properties))
    .map((name) => name.slice(SECTION.length + 1))
    .filter((name) => !OURS.has(name));
}

function put(object: Record<string, unknown>, path: string[], value: unknown): void {
  const [name, ...rest] = path;
  if (rest.length === 0) {
    object[name] = value;
  } else {
    put((object[name] ??= {}) as Record<string, unknown>, rest, value);
  }
}
