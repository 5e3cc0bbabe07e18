/** Asks the user whether to install the server, and does it with progress. */

import { join } from "node:path";
import { commands, env, ExtensionContext, LogOutputChannel, ProgressLocation, Uri, window } from "vscode";
import { networkEnvironment } from "../network";
import { serverPackage, serverPath } from "../settings";
import { findInEnvironment } from "./find";
import { install, InstallationFailed } from "./install";
import { selectedInterpreter } from "./places";
import { findPython, OLDEST, Python } from "./python";

const SETTING = "mellum.serverPath";

/** The folder of the environment into which the server is installed. */
export function ownEnvironment(context: ExtensionContext): string {
  return join(context.globalStorageUri.fsPath, "server");
}

/** The server is nowhere: says so and offers what can be done. True where it has been installed. */
export async function offer(context: ExtensionContext, log: LogOutputChannel): Promise<boolean> {
  const wanted = serverPath();
  if (wanted) {
    const choice = await window.showErrorMessage(
      `Mellum: there is no program ${wanted}, which ${SETTING} names.`,
      "Open Settings",
    );
    if (choice) {
      await commands.executeCommand("workbench.action.openSettings", SETTING);
    }
    return false;
  }
  const choice = await window.showInformationMessage(
    "Mellum's server was not found. It can be installed for you, or you name the program that you have.",
    "Install…",
    "Choose the Program…",
    "Not Now",
  );
  if (choice === "Install…") {
    return installServer(context, log);
  }
  if (choice === "Choose the Program…") {
    await commands.executeCommand("workbench.action.openSettings", SETTING);
  }
  return false;
}

/** Installs the server, or brings it up to date, once the user has agreed; true where it is there now. */
export async function installServer(context: ExtensionContext, log: LogOutputChannel): Promise<boolean> {
  const python = await usablePython();
  if (!python) {
    return false;
  }
  const folder = ownEnvironment(context);
  const agreed = await window.showInformationMessage(
    `Install ${serverPackage()} for VS Code?`,
    {
      modal: true,
      detail:
        `pip of Python ${python.version} (${python.program}) fetches it and its libraries from your package ` +
        `index into an environment of its own:\n\n${folder}\n\nAbout 500 MB. llama.cpp is compiled for your ` +
        "processor, which takes some minutes and a C++ compiler. Nothing else on your machine is changed.",
    },
    "Install",
  );
  return agreed === "Install" && installWith(python.program, folder, log);
}

async function installWith(python: string, folder: string, log: LogOutputChannel): Promise<boolean> {
  const place = { location: ProgressLocation.Notification, title: "Mellum: installing", cancellable: true };
  try {
    const program = await window.withProgress(place, (progress, cancel) =>
      install({
        python,
        folder,
        package: serverPackage(),
        environment: networkEnvironment(),
        cancel,
        onStep: (step) => progress.report({ message: step }),
        onLine: (line) => log.info(`install: ${line}`),
      }),
    );
    log.info(program ? `installed: ${program}` : "the installation was cancelled");
    return program !== undefined;
  } catch (error) {
    const why = error instanceof InstallationFailed ? error.message : String(error);
    log.error(`the installation failed: ${why}`);
    const choice = await window.showErrorMessage(`Mellum could not be installed. ${why}`, "Show the Log");
    if (choice) {
      log.show();
    }
    return false;
  }
}

/** A Python that is new enough; where there is none, the user is told. */
async function usablePython(): Promise<Python | undefined> {
  const selected = await selectedInterpreter();
  const { python, tooOld } = await findPython([selected && (await findInEnvironment(selected, "python"))]);
  if (!python) {
    const needed = `Mellum needs Python ${OLDEST.join(".")} or newer, and `;
    const seen = tooOld.map((one) => `${one.program} is ${one.version}`).join(", ");
    const choice = await window.showErrorMessage(
      needed + (seen ? `there is only an older one: ${seen}.` : "there is no Python on the PATH."),
      "Get Python",
    );
    if (choice) {
      await env.openExternal(Uri.parse("https://www.python.org/downloads/"));
    }
  }
  return python;
}
