/** The server and its connection: started, stopped and restarted one after the other, never at once. */

import { Disposable, EventEmitter, ExtensionContext, LogOutputChannel } from "vscode";
import { LanguageClient, LanguageClientOptions, State } from "vscode-languageclient/node";
import { Status } from "../status/text";
import { reach } from "../walkthrough";
import { offer, ownEnvironment } from "./offer";
import { findServer } from "./places";

const UNKNOWN: Status = {
  state: "starting",
  message: "",
  model: "",
  engine: { pid: null, mode: "none" },
  index: { files: 0, chunks: 0, state: "empty" },
};

export class Server implements Disposable {
  /** The last that was heard of it. */
  status: Status = UNKNOWN;
  /** How far the model is loaded; empty where nothing is under way. */
  progress = "";
  /** The program that was found. */
  program: string | undefined;

  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private client: LanguageClient | undefined;
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly context: ExtensionContext,
    private readonly log: LogOutputChannel,
    private readonly options: () => LanguageClientOptions,
  ) {}

  /** The connection, while there is one that answers. */
  get connection(): LanguageClient | undefined {
    return this.client?.isRunning() ? this.client : undefined;
  }

  /** Also the first start. */
  restart(): Promise<void> {
    return this.later(async () => {
      await this.end();
      await this.begin();
    });
  }

  stop(): Promise<void> {
    return this.later(() => this.end());
  }

  hear(status: Partial<Status>): void {
    this.status = { ...this.status, ...status };
    if (this.status.state === "ready") {
      reach("server");
    }
    this.changed.fire();
  }

  progressed(progress: string): void {
    this.progress = progress;
    this.changed.fire();
  }

  private later(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work).catch((error: unknown) => this.log.error(String(error)));
    return this.queue;
  }

  private async begin(): Promise<void> {
    this.status = UNKNOWN;
    this.progressed("");
    const found = await findServer(ownEnvironment(this.context));
    this.program = found?.program;
    if (!found) {
      this.hear({ state: "failed", message: "The server was not found." });
      // Not awaited: the question may stay open, and a restart must not wait for it.
      void offer(this.context, this.log).then((installed) => (installed ? this.restart() : undefined));
      return;
    }
    this.log.info(`starting ${found.program}, found by ${found.where}`);
    const client = new LanguageClient(
      "mellum",
      "Mellum",
      { command: found.program, args: ["serve"] },
      this.options(),
    );
    this.client = client;
    client.onNotification("mellum/status", (status: Status) => this.hear(status));
    client.onDidChangeState(({ newState }) => {
      if (client === this.client && newState === State.Stopped) {
        this.hear({ state: "stopped", message: "The server does not run.", engine: UNKNOWN.engine });
      } else if (newState === State.Starting) {
        this.hear({ state: "starting", message: "" });
      }
    });
    try {
      await client.start();
    } catch (error) {
      this.hear({ state: "failed", message: `The server could not start: ${error}` });
    }
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.dispose();
    if (client) {
      this.hear({ ...UNKNOWN, state: "stopped" });
    }
  }

  dispose(): void {
    this.changed.dispose();
  }
}
