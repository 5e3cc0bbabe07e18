/** The models that the server knows, and how each is offered. Pure. */

/** One of `mellum-lsp models list --json`. */
export interface Model {
  name: string;
  title: string;
  /** Where it lies; null where it is still to be fetched. */
  path: string | null;
  repository: string;
  licence: string;
  limits: string;
  size_gb: number | null;
  memory_gb: number | null;
  /** Whether it fits this machine's memory; null where that is not known. */
  fits: boolean | null;
}

export interface Row {
  label: string;
  description: string;
  detail: string;
}

export function row(model: Model, isServed: boolean): Row {
  const size = model.size_gb === null ? "" : `${model.size_gb.toFixed(1)} GB`;
  const place = model.path ? "here" : "to download";
  const fit = model.fits === false ? `$(warning) needs ${model.memory_gb} GB of memory: too big for this machine` : "";
  return {
    label: `$(${isServed ? "check" : model.path ? "file-binary" : "cloud-download"}) ${model.name}`,
    description: [size, place, isServed ? "in use" : "", fit].filter(Boolean).join(" · "),
    detail: [model.title, model.licence].filter(Boolean).join(" · "),
  };
}

/** What somebody agrees to who has a model downloaded. */
export function terms(model: Model): string {
  const size = model.size_gb === null ? "" : `${model.size_gb.toFixed(1)} GB `;
  const lines = [
    `${size}from huggingface.co/${model.repository}, verified by its SHA-256. Licence: ${model.licence || "see there"}.`,
    model.limits,
    model.fits === false && `It needs ${model.memory_gb} GB of memory, which this machine does not have.`,
    "What broke off goes on where it was.",
  ];
  return lines.filter(Boolean).join("\n\n");
}

/** How far a download is, from a line of `mellum-lsp models pull`; undefined where it says something else. */
export function progressOf(line: string): { percent: number; words: string } | undefined {
  const told = /^\s*(\d+)%\s+(.+)$/.exec(line);
  return told ? { percent: Number(told[1]), words: `${told[1]}%, ${told[2]}` } : undefined;
}

/** The error that a command of the server ends with, without its hint's label. */
export function errorOf(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const from = lines.findIndex((line) => line.startsWith("error: "));
  return lines
    .slice(Math.max(from, 0))
    .filter((line) => line && !progressOf(line))
    .map((line) => line.replace(/^(error|hint): /, ""))
    .join(" ");
}
