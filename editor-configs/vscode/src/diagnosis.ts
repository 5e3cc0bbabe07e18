/** "Copy a Diagnosis": everything that a report of trouble should hold, and no source text. */

import { env, ExtensionContext, LogOutputChannel, ProgressLocation, version, window } from "vscode";
import { run } from "./server/run";
import { Server } from "./server/server";
import { serverSettings } from "./settings";

export async function copyDiagnosis(context: ExtensionContext, server: Server, log: LogOutputChannel): Promise<void> {
  const place = { location: ProgressLocation.Notification, title: "Mellum: looking around", cancellable: true };
  const doctor = await window.withProgress(place, async (_, cancel) => {
    if (!server.program) {
      return "the server was not found";
    }
    const done = await run(server.program, ["doctor", "--json"], { cancel });
    // It ends with 1 where something is wrong: what it says then matters most.
    return done.cancelled ? undefined : done.stdout.trim() || done.stderr.trim();
  });
  if (doctor === undefined) {
    return;
  }
  const text = [
    `Mellum for VS Code ${context.extension.packageJSON.version}, VS Code ${version} (${env.appHost}), ${process.platform} ${process.arch}`,
    `server: ${server.program ?? "none"}`,
    `status: ${JSON.stringify(server.status)}`,
    `settings: ${JSON.stringify(serverSettings(context))}`,
    `doctor: ${doctor}`,
  ].join("\n");
  await env.clipboard.writeText(text);
  const choice = await window.showInformationMessage(
    "The diagnosis is in the clipboard. It names folders of yours and holds no source text.",
    "Show the Log",
  );
  if (choice) {
    log.show();
  }
}
