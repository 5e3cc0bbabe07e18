/** Shows in the status bar what the server says of itself. */

import { Disposable, MarkdownString, StatusBarAlignment, window } from "vscode";

/** The parameters of `mellum/status`. */
export interface Status {
  state: "starting" | "loading" | "ready" | "failed" | "stopped";
  message: string;
  model: string;
  engine: { pid: number | null; mode: string };
  index: { files: number; chunks: number; state: string };
}

const ICONS: Record<Status["state"], string> = {
  starting: "$(loading~spin)",
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  failed: "$(warning)",
  stopped: "$(circle-slash)",
};

export class StatusItem implements Disposable {
  private readonly item = window.createStatusBarItem("mellum.status", StatusBarAlignment.Right, 100);

  constructor() {
    this.item.name = "Mellum";
    this.item.command = "mellum.openLog";
    this.show("starting", "starting");
    this.item.show();
  }

  update(status: Status): void {
    const lines = [
      `**Mellum: ${status.state}**`,
      status.message,
      status.model && `Model: ${status.model}`,
      `Index: ${status.index.files} files, ${status.index.state}`,
    ];
    this.show(status.state, lines.filter(Boolean).join("\n\n"));
  }

  show(state: Status["state"], tooltip: string): void {
    this.item.text = `${ICONS[state] ?? ICONS.ready} Mellum`;
    this.item.tooltip = new MarkdownString(tooltip, true);
  }

  dispose(): void {
    this.item.dispose();
  }
}
