/** Ticks the steps of the walkthrough that nobody clicks: the server is ready, a suggestion is there. */

import { commands, Disposable, window } from "vscode";

export type Step = "server" | "first";

const reached = new Set<Step>();

/** What the manifest names as each step's event. */
const command = (step: Step): string => `mellum.walkthrough.${step}`;

/** What the step asks for has happened. */
export function reach(step: Step): void {
  if (!reached.has(step)) {
    reached.add(step);
    tick(step);
  }
}

/**
 * Keeps the walkthrough up to date.
 *
 * VS Code listens when it first shows a page of this kind, and hears nothing of what was before: so it is told
 * again. (It could read a context key by itself, but does not tick what is true when it begins to listen.)
 */
export function followWalkthrough(): Disposable {
  const steps: Step[] = ["server", "first"];
  return Disposable.from(
    ...steps.map((step) => commands.registerCommand(command(step), () => undefined)),
    window.tabGroups.onDidChangeTabs(({ opened }) => {
      // A walkthrough is a tab that the API knows nothing of.
      if (opened.some(({ input }) => input === undefined)) {
        reached.forEach(tick);
      }
    }),
  );
}

/** VS Code notices a command that it runs, not one that an extension runs itself: hence `runCommands`. */
function tick(step: Step): void {
  void commands.executeCommand("runCommands", { commands: [command(step)] });
}
