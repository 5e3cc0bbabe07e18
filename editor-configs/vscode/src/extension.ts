/** Starts mellum-lsp and connects it to VS Code; ghost text itself is VS Code's and the language client's. */

import { commands, ExtensionContext, window, workspace } from "vscode";
import {
  Executable,
  LanguageClient,
  LanguageClientOptions,
  State,
} from "vscode-languageclient/node";
import { followCaret } from "./caret";
import { findProgram } from "./program";
import { serverPath, serverSettings } from "./settings";
import { Status, StatusItem } from "./status";

let client: LanguageClient | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  const log = window.createOutputChannel("Mellum", { log: true });
  const status = new StatusItem();
  context.subscriptions.push(
    log,
    status,
    commands.registerCommand("mellum.openLog", () => log.show()),
    commands.registerCommand("mellum.restart", async () => {
      await stop();
      await start();
    }),
    workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("mellum.serverPath")) {
        await commands.executeCommand("mellum.restart");
      }
    }),
  );

  const options: LanguageClientOptions = {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
    outputChannel: log,
    middleware: {
      // The menu is for clients without ghost text.
      provideCompletionItem: () => [],
      workspace: {
        // The server registers for changes and asks after each; it would complain of settings not its own.
        configuration: (params) =>
          params.items.map((item) =>
            item.section === "mellum"
              ? serverSettings(item.scopeUri ? client?.protocol2CodeConverter.asUri(item.scopeUri) : undefined)
              : null,
          ),
      },
    },
  };

  async function start(): Promise<void> {
    const wanted = serverPath();
    const program = await findProgram(wanted);
    if (!program) {
      status.show("failed", `\`${wanted}\` was not found.`);
      const choice = await window.showErrorMessage(
        `Mellum: the server \`${wanted}\` was not found. Install it with \`pipx install mellum-lsp\`, ` +
          "or set mellum.serverPath to the full path of mellum-lsp.",
        "Open Settings",
      );
      if (choice) {
        await commands.executeCommand("workbench.action.openSettings", "mellum.serverPath");
      }
      return;
    }
    const server: Executable = { command: program, args: ["serve"] };
    const started = new LanguageClient("mellum", "Mellum", server, options);
    client = started;
    started.onNotification("mellum/status", (params: Status) => status.update(params));
    started.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped) {
        status.show("stopped", "The server does not run.");
      }
    });
    try {
      await started.start();
    } catch (error) {
      status.show("failed", `The server could not start: ${error}`);
    }
  }

  await start();
  context.subscriptions.push(followCaret(() => client));
}

async function stop(): Promise<void> {
  const running = client;
  client = undefined;
  await running?.dispose();
}

export async function deactivate(): Promise<void> {
  await stop();
}
