/**
 * Where nothing is suggested for now: in this file, in this language, in this workspace, or anywhere.
 *
 * What holds in every window is the setting `mellum.enabled`, for a language too; what concerns this workspace
 * alone is remembered with it and changes none of its files.
 */

import {
  commands,
  ConfigurationTarget,
  Disposable,
  EventEmitter,
  Memento,
  QuickPickItem,
  TextDocument,
  Uri,
  window,
  workspace,
} from "vscode";
import { SECTION } from "./settings";

const FILES = "mellum.pausedFiles";
const WORKSPACE = "mellum.pausedWorkspace";

export type Scope = "file" | "language" | "workspace" | "everywhere";

export interface Pause {
  scope: Scope;
  /** For the status bar: `paused` and these words. */
  words: string;
}

export class Pauses implements Disposable {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly listener = workspace.onDidChangeConfiguration(
    (event) => event.affectsConfiguration(`${SECTION}.enabled`) && this.changed.fire(),
  );

  constructor(private readonly memory: Memento) {}

  /** Why nothing is asked in `document`, or anywhere without one; undefined where it is. */
  here(document: TextDocument | undefined): Pause | undefined {
    if (!this.enabled()) {
      return { scope: "everywhere", words: "everywhere" };
    }
    if (this.memory.get(WORKSPACE)) {
      return { scope: "workspace", words: "in this workspace" };
    }
    if (document && !this.enabled(document)) {
      return { scope: "language", words: `in ${document.languageId}` };
    }
    return document && this.files().includes(fileOf(document)) ? { scope: "file", words: "in this file" } : undefined;
  }

  /** Whether the server has nothing to do for this window. */
  get entirely(): boolean {
    return this.here(undefined) !== undefined;
  }

  async pause(scope: Scope, document: TextDocument | undefined): Promise<void> {
    await this.set(scope, document, true);
    await commands.executeCommand("editor.action.inlineSuggest.hide");
  }

  /** Ends every pause that holds in `document`. */
  async resume(document: TextDocument | undefined): Promise<void> {
    for (let held = this.here(document), last: Scope | undefined; held && held.scope !== last; ) {
      await this.set(held.scope, document, false);
      last = held.scope;
      held = this.here(document);
    }
  }

  private async set(scope: Scope, document: TextDocument | undefined, isPaused: boolean): Promise<void> {
    const value = isPaused ? false : undefined;
    if (scope === "everywhere") {
      await workspace.getConfiguration(SECTION).update("enabled", value, this.target());
    } else if (scope === "workspace") {
      await this.memory.update(WORKSPACE, isPaused || undefined);
    } else if (scope === "language" && document) {
      const configuration = workspace.getConfiguration(SECTION, { languageId: document.languageId });
      await configuration.update("enabled", value, ConfigurationTarget.Global, true);
    } else if (scope === "file" && document) {
      const file = fileOf(document);
      const others = this.files().filter((other) => other !== file);
      await this.memory.update(FILES, isPaused ? [...others, file] : others);
    }
    this.changed.fire();
  }

  /** Where `mellum.enabled` is set: resuming must lift it where it holds. */
  private target(): ConfigurationTarget {
    const { workspaceValue } = workspace.getConfiguration(SECTION).inspect<boolean>("enabled") ?? {};
    return workspaceValue === false ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
  }

  private enabled(document?: TextDocument): boolean {
    const scope = document && { uri: document.uri, languageId: document.languageId };
    return workspace.getConfiguration(SECTION, scope).get<boolean>("enabled", true);
  }

  private files(): string[] {
    return this.memory.get<string[]>(FILES, []);
  }

  dispose(): void {
    this.listener.dispose();
    this.changed.dispose();
  }
}

/** A cell of a notebook is paused with its notebook. */
function fileOf(document: TextDocument): string {
  const { scheme, path } = document.uri;
  return scheme === "vscode-notebook-cell" ? Uri.file(path).toString() : document.uri.toString();
}

/** Asks where to pause, and pauses there. */
export async function choosePause(pauses: Pauses): Promise<void> {
  const document = window.activeTextEditor?.document;
  const items: (QuickPickItem & { scope: Scope })[] = [
    { scope: "everywhere", label: "Everywhere", description: "in all windows, until you resume" },
    { scope: "workspace", label: "In this workspace", description: "its files stay as they are" },
  ];
  if (document) {
    const name = fileOf(document).split("/").at(-1);
    items.unshift(
      { scope: "language", label: `In ${document.languageId}`, description: "in all windows, until you resume" },
      { scope: "file", label: "In this file", description: name && decodeURIComponent(name) },
    );
  }
  const chosen = await window.showQuickPick(items, { title: "Pause Mellum", placeHolder: "Where?" });
  if (chosen) {
    await pauses.pause(chosen.scope, document);
  }
}
