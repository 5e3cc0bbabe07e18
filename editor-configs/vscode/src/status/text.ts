/** What the status bar says, from what the server says. Pure. */

/** The parameters of `mellum/status`. */
export interface Status {
  state: "starting" | "loading" | "ready" | "failed" | "stopped";
  message: string;
  model: string;
  engine: { pid: number | null; mode: string };
  index: { files: number; chunks: number; state: string };
}

/** What the extension knows beside that. */
export interface Circumstances {
  /** Why nothing is asked here, in a few words; empty where it is. */
  paused: string;
  /** What is being loaded or indexed and how far, such as `40%`; empty where nothing is. */
  progress: string;
}

export interface Shown {
  text: string;
  /** Markdown. */
  tooltip: string;
  isTrouble: boolean;
}

const SILENT = "nothing to show: ";
const LONGEST_REASON = 40;

/** Silences that are over before they could be read. */
const PASSING = ["superseded", "document closed", "popup elsewhere"];

export function shown(status: Status, { paused, progress }: Circumstances): Shown {
  const busy = status.state === "starting" || status.state === "loading";
  const isTrouble = status.state === "failed" || status.state === "stopped";
  const [icon, words] = isTrouble
    ? [status.state === "failed" ? "warning" : "circle-slash", status.state]
    : paused
      ? ["debug-pause", `paused ${paused}`]
      : busy
        ? ["loading~spin", `${status.state} ${progress}`.trim()]
        : ["sparkle", reasonOf(status.message)];
  return {
    text: `$(${icon}) Mellum${words ? `: ${words}` : ""}`,
    tooltip: tooltip(status, paused, progress),
    isTrouble,
  };
}

/** `silent: gated 0.43`; empty where the last request was answered or its silence means nothing. */
function reasonOf(message: string): string {
  if (!message.startsWith(SILENT)) {
    return "";
  }
  const reason = message.slice(SILENT.length).replace(" p=", " ");
  if (PASSING.some((kind) => reason.startsWith(kind))) {
    return "";
  }
  const short = reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON - 1)}…` : reason;
  return `silent: ${short}`;
}

const MODES: Record<string, string> = {
  shared: "shared with your other editors",
  own: "of this window alone",
  remote: "on another machine",
  scripted: "a script instead of a model",
};

function tooltip(status: Status, paused: string, progress: string): string {
  const { engine, index } = status;
  const mode = MODES[engine.mode] ?? engine.mode;
  const process = engine.pid === null ? "" : `, process ${engine.pid}`;
  const lines = [
    `**Mellum: ${paused ? `paused ${plain(paused)}` : status.state}**${progress ? ` (${plain(progress)})` : ""}`,
    plain(status.message),
    status.model && `Model: ${plain(status.model)}`,
    engine.mode !== "none" && `Engine: ${plain(mode)}${process}`,
    `Index: ${index.files} files, ${index.chunks} chunks, ${plain(index.state)}`,
    "_Click for the menu_",
  ];
  return lines.filter(Boolean).join("\n\n");
}

/** Text as it is, in Markdown. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+!|<>~$-]/g, "\\$&").replace(/\s*\n\s*/g, " ");
}
