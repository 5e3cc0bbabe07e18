/** Runs a program to its end: its output, line by line while it comes, and a way to end it early. */

import { spawn } from "node:child_process";

/** What VS Code's `CancellationToken` offers of use here. */
export interface Cancel {
  readonly isCancellationRequested: boolean;
  onCancellationRequested(listener: () => void): { dispose(): void };
}

export interface Options {
  cancel?: Cancel;
  /** Laid over this process's own environment. */
  environment?: NodeJS.ProcessEnv;
  /** Hears every line of either output. */
  onLine?: (line: string) => void;
}

export interface Finished {
  /** 0 where all went well; null where a signal ended the program. */
  code: number | null;
  stdout: string;
  stderr: string;
  cancelled: boolean;
}

/** Throws where the program cannot be started at all. */
export async function run(program: string, args: readonly string[], options: Options = {}): Promise<Finished> {
  const { cancel, environment, onLine } = options;
  if (cancel?.isCancellationRequested) {
    return { code: null, stdout: "", stderr: "", cancelled: true };
  }
  // A group of its own, so that whatever it starts (pip runs compilers) ends with it.
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  const stdout = collect(child.stdout, onLine);
  const stderr = collect(child.stderr, onLine);
  let cancelled = false;
  const listener = cancel?.onCancellationRequested(() => {
    cancelled = true;
    end(child.pid);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, stdout: stdout(), stderr: stderr(), cancelled };
  } finally {
    listener?.dispose();
  }
}

/** Collects a stream; the function returned gives what has come so far. */
function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): () => string {
  let text = "";
  let line = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
    const lines = (line + chunk).split(/\r?\n|\r/);
    line = lines.pop() ?? "";
    lines.filter((one) => one.trim()).forEach((one) => onLine?.(one));
  });
  stream.on("end", () => line.trim() && onLine?.(line));
  return () => text;
}

function end(pid: number | undefined): void {
  if (pid === undefined) {
    return;
  }
  if (process.platform === "win32") {
    spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { windowsHide: true });
    return;
  }
  try {
    process.kill(-pid, "SIGINT");
    // What does not listen ends all the same.
    setTimeout(() => killGroup(pid), 2000).unref();
  } catch {
    // It has ended meanwhile.
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}
