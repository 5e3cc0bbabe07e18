/** "Show Metrics": what completion was worth, as the server counted it on this machine. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProgressLocation, ViewColumn, window } from "vscode";
import { escape } from "./html";
import { errorOf } from "./models/list";
import { run } from "./server/run";
import { Server } from "./server/server";

export async function showMetrics({ program }: Server): Promise<void> {
  if (!program) {
    void window.showInformationMessage("Mellum: the server was not found, so nothing was counted.");
    return;
  }
  const place = { location: ProgressLocation.Notification, title: "Mellum: counting" };
  const html = await window.withProgress(place, () => page(program));
  const panel = window.createWebviewPanel("mellum.metrics", "Mellum: metrics", ViewColumn.Active, {
    enableScripts: false,
    localResourceRoots: [],
  });
  panel.webview.html = html;
}

/** The server's page with its plots; its figures alone where what draws plots is not installed. */
async function page(program: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mellum-metrics-"));
  try {
    const file = join(folder, "metrics.html");
    const drawn = await run(program, ["stats", "--html", file]);
    return drawn.code === 0 ? await readFile(file, "utf8") : plain(await run(program, ["stats"]), drawn.stderr);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function plain(told: { code: number | null; stdout: string; stderr: string }, why: string): string {
  const figures = told.code === 0 ? told.stdout : told.stderr;
  return `<!DOCTYPE html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<h2>Code completion on this machine</h2>
<pre>${escape(figures)}</pre>
<p>Without plots: ${escape(errorOf(why))}</p>`;
}
