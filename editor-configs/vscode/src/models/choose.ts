/** "Choose a Model": lists what there is, fetches what is not here, and has it served. */

import { ConfigurationTarget, LogOutputChannel, ProgressLocation, QuickPickItem, QuickPickItemKind, window, workspace } from "vscode";
import { networkEnvironment } from "../network";
import { run } from "../server/run";
import { Server } from "../server/server";
import { SECTION } from "../settings";
import { errorOf, Model, progressOf, row, terms } from "./list";

type Choice = QuickPickItem & { choose?: () => Promise<string | undefined> };

export async function chooseModel(server: Server, log: LogOutputChannel): Promise<void> {
  const { program } = server;
  if (!program) {
    void window.showInformationMessage("Mellum: the server was not found, so its models are not known.");
    return;
  }
  const chosen = await window.showQuickPick(choices(program, server, log), {
    title: "Which model shall write?",
    placeHolder: "A model of the catalogue, or one of your own",
    matchOnDescription: true,
    matchOnDetail: true,
  });
  const model = await chosen?.choose?.();
  if (model) {
    await workspace.getConfiguration(SECTION).update("model", model, ConfigurationTarget.Global);
  }
}

async function choices(program: string, server: Server, log: LogOutputChannel): Promise<Choice[]> {
  const models = await list(program, log);
  const known = models.map((model) => ({
    ...row(model, model.name === server.status.model),
    choose: () => (model.path ? Promise.resolve(model.name) : download(program, model.name, terms(model), log)),
  }));
  return [
    ...known,
    { label: "", kind: QuickPickItemKind.Separator },
    { label: "$(folder-opened) A .gguf file on this machine…", choose: chooseFile },
    { label: "$(cloud-download) Another repository of Hugging Face…", choose: () => chooseRepository(program, log) },
  ];
}

async function list(program: string, log: LogOutputChannel): Promise<Model[]> {
  const listed = await run(program, ["models", "list", "--json"]);
  if (listed.code !== 0) {
    log.error(`the models cannot be listed: ${listed.stderr}`);
    void window.showErrorMessage(`Mellum: the models cannot be listed. ${errorOf(listed.stderr)}`);
    return [];
  }
  return (JSON.parse(listed.stdout) as { models: Model[] }).models;
}

async function chooseFile(): Promise<string | undefined> {
  const filters = { "GGUF models": ["gguf"] };
  const files = await window.showOpenDialog({ title: "A model", openLabel: "Serve It", filters });
  return files?.[0]?.fsPath;
}

async function chooseRepository(program: string, log: LogOutputChannel): Promise<string | undefined> {
  const name = await window.showInputBox({
    title: "A repository of Hugging Face",
    prompt: "OWNER/REPOSITORY, with a GGUF of a model that fills in the middle",
    validateInput: (text) => (/^[\w.-]+\/[\w.-]+$/.test(text.trim()) ? undefined : "OWNER/REPOSITORY"),
  });
  const repository = name?.trim();
  return repository && download(program, repository, `From huggingface.co/${repository}.`, log);
}

/** The name by which the model is served once it is here; undefined where the user said no, or it failed. */
async function download(program: string, name: string, detail: string, log: LogOutputChannel): Promise<string | undefined> {
  const agreed = await window.showInformationMessage(`Download ${name}?`, { modal: true, detail }, "Download");
  if (agreed !== "Download") {
    return undefined;
  }
  const place = { location: ProgressLocation.Notification, title: `Downloading ${name}`, cancellable: true };
  const done = await window.withProgress(place, (progress, cancel) => {
    let last = 0;
    const onLine = (line: string) => {
      const told = progressOf(line);
      if (told) {
        progress.report({ message: told.words, increment: told.percent - last });
        last = told.percent;
      }
    };
    return run(program, ["models", "pull", name, "--json"], { cancel, environment: networkEnvironment(), onLine });
  });
  if (done.cancelled) {
    return undefined;
  }
  if (done.code !== 0) {
    log.error(`${name} could not be downloaded: ${done.stderr}`);
    void window.showErrorMessage(`Mellum: ${name} could not be downloaded. ${errorOf(done.stderr)}`);
    return undefined;
  }
  return (JSON.parse(done.stdout) as { name: string }).name;
}
