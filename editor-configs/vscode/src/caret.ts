/** Tells the server where the caret stands, so that the prompt there is ready before the first key. */

import { Disposable, TextEditorSelectionChangeKind, window } from "vscode";
import { Pauses } from "./pauses";
import { Server } from "./server/server";

const SETTLE_MS = 80;

/** Typing reveals the caret by its requests; a click or an arrow key does not. */
export function followCaret(server: Server, pauses: Pauses): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const listener = window.onDidChangeTextEditorSelection((event) => {
    const { kind, selections, textEditor } = event;
    if (kind === undefined || kind === TextEditorSelectionChangeKind.Command || selections.length !== 1) {
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(() => {
      const client = server.connection;
      if (client && !pauses.here(textEditor.document)) {
        void client.sendNotification("mellum/didMoveCaret", {
          textDocument: client.code2ProtocolConverter.asTextDocumentIdentifier(textEditor.document),
          position: client.code2ProtocolConverter.asPosition(selections[0].active),
        });
      }
    }, SETTLE_MS);
  });
  return new Disposable(() => {
    clearTimeout(timer);
    listener.dispose();
  });
}
