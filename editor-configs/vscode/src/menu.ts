/** The menu behind the status bar's item. */

import { commands, QuickPickItem, QuickPickItemKind, window } from "vscode";
import { Pauses } from "./pauses";
import { Server } from "./server/server";

type Entry = QuickPickItem & { command?: string };

export async function showMenu(server: Server, pauses: Pauses): Promise<void> {
  const { state, message, model } = server.status;
  const held = pauses.here(window.activeTextEditor?.document);
  const said = held ? `paused ${held.words}` : message || state;
  const chosen = await window.showQuickPick(entries(held !== undefined, server.program !== undefined), {
    title: ["Mellum", model, said].filter(Boolean).join(" · "),
    placeHolder: "What shall it do?",
  });
  if (chosen?.command) {
    await commands.executeCommand(chosen.command);
  }
}

function entries(isPaused: boolean, isInstalled: boolean): Entry[] {
  const separator = { label: "", kind: QuickPickItemKind.Separator };
  const pause = isPaused
    ? { label: "$(debug-continue) Resume", command: "mellum.resume" }
    : { label: "$(debug-pause) Pause…", description: "this file, language or workspace, or everywhere", command: "mellum.pause" };
  return [
    ...(isInstalled ? [] : [{ label: "$(desktop-download) Install the server…", command: "mellum.installServer" }]),
    { label: "$(question) Explain this completion", description: "or why there is none", command: "mellum.explain" },
    pause,
    { label: "$(server-environment) Choose a model…", command: "mellum.chooseModel" },
    { label: "$(graph) Show metrics", description: "accepted, kept, time to answer", command: "mellum.showMetrics" },
    separator,
    { label: "$(settings-gear) Settings", command: "mellum.openSettings" },
    { label: "$(refresh) Restart the server", command: "mellum.restart" },
    { label: "$(output) Open the log", command: "mellum.openLog" },
    { label: "$(clippy) Copy a diagnosis", description: "for a report of trouble", command: "mellum.copyDiagnosis" },
  ];
}
