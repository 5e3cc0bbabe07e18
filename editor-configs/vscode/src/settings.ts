/** The settings under `mellum`: some are the extension's own, all others are the server's. */

import { workspace, Uri } from "vscode";

const SECTION = "mellum";

/** Settings that the server does not know. */
const OURS = new Set(["serverPath"]);

export function serverPath(): string {
  return workspace.getConfiguration(SECTION).get<string>("serverPath", "mellum-lsp");
}

/** What the server is told: every setting of its own that has a value. */
export function serverSettings(scope?: Uri): Record<string, unknown> {
  const all = workspace.getConfiguration(SECTION, scope ?? null);
  const own = Object.entries(plain(all)).filter(([name, value]) => !OURS.has(name) && value !== null);
  return Object.fromEntries(own);
}

/** A configuration also has methods; its values survive a round trip through JSON. */
function plain(configuration: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(configuration)) as Record<string, unknown>;
}
