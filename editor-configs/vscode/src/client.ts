/** What the language client does differently here than by itself. */

import { ExtensionContext, LogOutputChannel } from "vscode";
import { LanguageClientOptions, WorkDoneProgressBegin, WorkDoneProgressEnd, WorkDoneProgressReport } from "vscode-languageclient/node";
import { Feedback } from "./feedback";
import { Pauses } from "./pauses";
import { Server } from "./server/server";
import { SECTION, serverSettings } from "./settings";

export interface Surroundings {
  context: ExtensionContext;
  log: LogOutputChannel;
  server: Server;
  pauses: Pauses;
  feedback: Feedback;
}

export function clientOptions({ context, log, server, pauses, feedback }: Surroundings): LanguageClientOptions {
  const settings = () => ({ ...serverSettings(context), enabled: !pauses.entirely });
  return {
    documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-notebook-cell" }],
    outputChannel: log,
    initializationOptions: settings,
    middleware: {
      async provideInlineCompletionItems(document, position, context, token, next) {
        if (pauses.here(document)) {
          return [];
        }
        const list = await next(document, position, context, token);
        if (!token.isCancellationRequested) {
          feedback.answered(document, position, list);
        }
        return list;
      },
      // The menu is for clients without ghost text.
      provideCompletionItem: () => [],
      executeCommand(command, args, next) {
        if (command === "mellum.accepted") {
          feedback.accepting();
        }
        return next(command, args);
      },
      handleWorkDoneProgress: (_token, params) => server.progressed(words(params)),
      workspace: {
        // The server registers for changes and asks after each; it would complain of settings not its own.
        configuration: (params) => params.items.map((item) => (item.section === SECTION ? settings() : null)),
      },
    },
  };
}

function words(progress: WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd): string {
  if (progress.kind === "end") {
    return "";
  }
  return progress.percentage === undefined ? (progress.message ?? "") : `${progress.percentage}%`;
}
