/** The item in the status bar: the server's state, why it is silent, and the way to the menu. */

import { Disposable, MarkdownString, StatusBarAlignment, ThemeColor, window } from "vscode";
import { Pauses } from "../pauses";
import { Server } from "../server/server";
import { shown } from "./text";

export class StatusItem implements Disposable {
  private readonly item = window.createStatusBarItem("mellum.status", StatusBarAlignment.Right, 100);
  private readonly subscriptions: Disposable;

  constructor(
    private readonly server: Server,
    private readonly pauses: Pauses,
  ) {
    this.item.name = "Mellum";
    this.item.command = "mellum.menu";
    this.subscriptions = Disposable.from(
      server.onDidChange(() => this.show()),
      pauses.onDidChange(() => this.show()),
      window.onDidChangeActiveTextEditor(() => this.show()),
    );
    this.show();
    this.item.show();
  }

  private show(): void {
    const paused = this.pauses.here(window.activeTextEditor?.document)?.words ?? "";
    const { text, tooltip, isTrouble } = shown(this.server.status, { paused, progress: this.server.progress });
    this.item.text = text;
    this.item.tooltip = new MarkdownString(tooltip, true);
    this.item.backgroundColor = isTrouble ? new ThemeColor("statusBarItem.warningBackground") : undefined;
  }

  dispose(): void {
    this.subscriptions.dispose();
    this.item.dispose();
  }
}
