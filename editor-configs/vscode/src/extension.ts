/** Mellum for VS Code: what starts when, and which command does what. Ghost text itself is VS Code's. */

import { commands, ExtensionContext, window, workspace } from "vscode";
import { followCaret } from "./caret";
import { clientOptions } from "./client";
import { copyDiagnosis } from "./diagnosis";
import { ExplanationView } from "./explain/view";
import { Feedback } from "./feedback";
import { showMenu } from "./menu";
import { showMetrics } from "./metrics";
import { chooseModel } from "./models/choose";
import { choosePause, Pauses } from "./pauses";
import { installServer } from "./server/offer";
import { Server } from "./server/server";
import { StatusItem } from "./status/item";
import { followWalkthrough } from "./walkthrough";

let server: Server | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel("Mellum", { log: true });
  const pauses = new Pauses(context.workspaceState);
  const running: Server = new Server(context, log, () => clientOptions({ context, log, server: running, pauses, feedback }));
  const feedback = new Feedback(running);
  server = running;

  const command = (name: string, work: () => unknown) => commands.registerCommand(`mellum.${name}`, work);
  context.subscriptions.push(
    log,
    pauses,
    running,
    feedback,
    new StatusItem(running, pauses),
    new ExplanationView(running),
    followCaret(running, pauses),
    followWalkthrough(),
    command("menu", () => showMenu(running, pauses)),
    command("pause", () => choosePause(pauses)),
    command("resume", () => pauses.resume(window.activeTextEditor?.document)),
    command("chooseModel", () => chooseModel(running, log)),
    command("showMetrics", () => showMetrics(running)),
    command("copyDiagnosis", () => copyDiagnosis(context, running, log)),
    command("openLog", () => log.show()),
    command("openSettings", () =>
      commands.executeCommand("workbench.action.openSettings", `@ext:${context.extension.id}`),
    ),
    command("restart", () => running.restart()),
    command("installServer", async () => {
      if (await installServer(context, log)) {
        await running.restart();
      }
    }),
    // A pause of everything frees the server's hands, not only the screen.
    pauses.onDidChange(() => running.connection?.sendNotification("workspace/didChangeConfiguration", { settings: null })),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("mellum.serverPath")) {
        void running.restart();
      }
    }),
    workspace.onDidGrantWorkspaceTrust(() => {
      if (!running.program) {
        void running.restart(); // It may be the workspace's.
      }
    }),
  );
  void running.restart();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
