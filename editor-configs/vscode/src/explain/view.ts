/** "Explain This Completion": asks the server how a suggestion comes about, and shows the answer. */

import { basename } from "node:path";
import {
  commands,
  Disposable,
  ProgressLocation,
  Range,
  Selection,
  TextDocument,
  Uri,
  ViewColumn,
  WebviewPanel,
  window,
  workspace,
} from "vscode";
import { Server } from "../server/server";
import { Explanation, OPEN_CHUNK, page } from "./page";

/** As if the editor had asked while somebody typed: so the gate speaks too. */
const AUTOMATIC = 2;

export class ExplanationView implements Disposable {
  private panel: WebviewPanel | undefined;
  /** The workspace folder of what was explained, to which the paths of its chunks are relative. */
  private folder: Uri | undefined;
  private readonly subscriptions = Disposable.from(
    commands.registerCommand("mellum.explain", () => this.explain()),
    commands.registerCommand(OPEN_CHUNK, (path: unknown, start: unknown, end: unknown) =>
      this.open(String(path), Number(start), Number(end)),
    ),
  );

  constructor(private readonly server: Server) {}

  private async explain(): Promise<void> {
    const editor = window.activeTextEditor;
    const client = this.server.connection;
    if (!editor || !client) {
      const missing = editor ? "the server does not run" : "there is no text editor";
      void window.showInformationMessage(`Mellum: ${missing}, so there is nothing to explain.`);
      return;
    }
    const { document, selection } = editor;
    const asked = {
      textDocument: client.code2ProtocolConverter.asTextDocumentIdentifier(document),
      position: client.code2ProtocolConverter.asPosition(selection.active),
      context: { triggerKind: AUTOMATIC },
    };
    const place = { location: ProgressLocation.Notification, title: "Mellum: explaining", cancellable: true };
    const explanation = await window.withProgress(place, (_, cancel) =>
      client.sendRequest<Explanation>("mellum/explain", asked, cancel).catch((error: unknown) => {
        if (!cancel.isCancellationRequested) {
          void window.showErrorMessage(`Mellum could not explain this completion: ${error}`);
        }
        return undefined;
      }),
    );
    if (explanation) {
      const { line, character } = selection.active;
      this.folder = workspace.getWorkspaceFolder(document.uri)?.uri;
      this.show(page(explanation, `${nameOf(document)}:${line + 1}:${character + 1}`));
    }
  }

  private show(html: string): void {
    if (!this.panel) {
      const place = { viewColumn: ViewColumn.Beside, preserveFocus: true };
      this.panel = window.createWebviewPanel("mellum.explanation", "Mellum: why", place, {
        enableScripts: false,
        enableCommandUris: [OPEN_CHUNK],
        localResourceRoots: [],
      });
      this.panel.onDidDispose(() => (this.panel = undefined));
    }
    this.panel.webview.html = html;
    this.panel.reveal(undefined, true);
  }

  /** Lines count from 1. Opens only what lies in the workspace. */
  private async open(path: string, start: number, end: number): Promise<void> {
    const folders = (workspace.workspaceFolders ?? []).map((folder) => folder.uri);
    const ordered = this.folder ? [this.folder, ...folders] : folders;
    for (const folder of ordered) {
      const file = Uri.joinPath(folder, path);
      if (workspace.getWorkspaceFolder(file) && (await exists(file))) {
        const lines = new Range(start - 1, 0, end, 0);
        const editor = await window.showTextDocument(file, { viewColumn: ViewColumn.One, selection: lines });
        editor.selection = new Selection(lines.start, lines.start);
        editor.revealRange(lines);
        return;
      }
    }
    void window.showInformationMessage(`Mellum: ${path} is not there any more.`);
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.panel?.dispose();
  }
}

function nameOf(document: TextDocument): string {
  return document.isUntitled ? document.uri.path : basename(document.uri.path);
}

async function exists(file: Uri): Promise<boolean> {
  try {
    await workspace.fs.stat(file);
    return true;
  } catch {
    return false;
  }
}
