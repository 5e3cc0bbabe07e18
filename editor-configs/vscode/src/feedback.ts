/** Tells the server what became of its suggestions: shown, taken in part, dismissed. */

import {
  commands,
  Disposable,
  InlineCompletionItem,
  InlineCompletionList,
  Position,
  TextDocument,
  window,
  workspace,
} from "vscode";
import { setContext } from "./context";
import { Ghost, READ_MS } from "./ghost";
import { Server } from "./server/server";
import { reach } from "./walkthrough";

/** What was gone sooner was not seen by anybody. */
const SEEN_MS = 150;

/** Of one suggestion at a time: VS Code shows no more. */
export class Feedback implements Disposable {
  private ghost: Ghost | undefined;
  private document: TextDocument | undefined;
  private taken = 0;
  private isShown = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly subscriptions = Disposable.from(
    workspace.onDidChangeTextDocument(({ document }) => document === this.document && this.changed()),
    workspace.onDidCloseTextDocument((document) => document === this.document && this.forget()),
    commands.registerCommand("mellum.acceptNextWord", () => this.take("editor.action.inlineSuggest.acceptNextWord")),
    commands.registerCommand("mellum.acceptNextLine", () => this.take("editor.action.inlineSuggest.acceptNextLine")),
    commands.registerCommand("mellum.dismiss", () => this.dismiss()),
  );

  constructor(private readonly server: Server) {}

  /** The server has answered with `list`, and VS Code wanted the answer. */
  answered(
    document: TextDocument,
    position: Position,
    list: InlineCompletionItem[] | InlineCompletionList | null | undefined,
  ): void {
    const items = Array.isArray(list) ? list : (list?.items ?? []);
    const ghost = items.length > 0 ? ghostOf(items[0], document, position) : undefined;
    if (!ghost) {
      this.forget();
    } else if (!this.ghost || document !== this.document || !this.ghost.leadsWhere(ghost)) {
      this.forget();
      this.ghost = ghost;
      this.document = document;
      this.timer = setTimeout(() => this.seen(), SEEN_MS);
    }
    setContext("mellum.offers", ghost !== undefined);
    if (ghost) {
      reach("first");
    }
  }

  /** Before the server hears that an item was accepted. */
  accepting(): void {
    const taken = this.document && this.ghost?.taken(this.document.getText());
    if (this.ghost?.isComplete(taken ?? 0)) {
      this.tellShown(); // Another ghost may stand there already: that one was not accepted.
    }
  }

  private seen(): void {
    const editor = window.activeTextEditor;
    if (window.state.focused && editor?.document === this.document) {
      this.tellShown();
    }
  }

  private tellShown(): void {
    if (this.ghost && !this.isShown) {
      this.isShown = true;
      this.tell("mellum.shown", this.ghost.id);
    }
  }

  private async take(builtIn: string): Promise<void> {
    await commands.executeCommand(builtIn);
    const { ghost, document } = this;
    const taken = (document && ghost?.taken(document.getText())) ?? -1;
    // Where nothing is left, VS Code has run the item's own command.
    if (ghost && taken > this.taken && !ghost.isComplete(taken)) {
      this.taken = taken;
      this.tellShown();
      this.tell("mellum.partiallyAccepted", ghost.id, taken);
    }
  }

  private async dismiss(): Promise<void> {
    await commands.executeCommand("editor.action.inlineSuggest.hide");
    this.refused();
  }

  private changed(): void {
    const { ghost, document } = this;
    const taken = document && ghost?.taken(document.getText());
    if (!ghost || (taken !== undefined && taken >= 0)) {
      return;
    }
    if (taken === -1 && this.isShown && this.taken === 0 && Date.now() - ghost.since >= READ_MS) {
      this.refused();
    } else {
      this.forget();
    }
  }

  private refused(): void {
    if (this.ghost) {
      this.tellShown();
      this.tell("mellum.dismissed", this.ghost.id);
    }
    this.forget();
    setContext("mellum.offers", false);
  }

  private forget(): void {
    clearTimeout(this.timer);
    this.ghost = this.document = undefined;
    this.isShown = false;
    this.taken = 0;
  }

  private tell(command: string, ...args: unknown[]): void {
    // A server that has just ended does not hear it: the record is the poorer by one line.
    this.server.connection?.sendRequest("workspace/executeCommand", { command, arguments: args }).catch(() => {});
  }

  dispose(): void {
    this.forget();
    this.subscriptions.dispose();
  }
}

/** The item that VS Code shows; undefined where it is none of ours. */
function ghostOf(item: InlineCompletionItem, document: TextDocument, position: Position): Ghost | undefined {
  const id: unknown = item.command?.arguments?.[0];
  const text = typeof item.insertText === "string" ? item.insertText : item.insertText.value;
  if (typeof id !== "string") {
    return undefined;
  }
  const start = document.offsetAt(item.range?.start ?? position);
  const end = document.offsetAt(item.range?.end ?? position);
  return new Ghost({ id, text, start, end }, document.getText(), Date.now());
}
