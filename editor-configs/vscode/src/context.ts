/** Tells VS Code what `when` clauses of the manifest ask for, and only what has changed. */

import { commands } from "vscode";

const told = new Map<string, boolean>();

export function setContext(name: "mellum.offers", value: boolean): void {
  if (told.get(name) !== value) {
    told.set(name, value);
    void commands.executeCommand("setContext", name, value);
  }
}
