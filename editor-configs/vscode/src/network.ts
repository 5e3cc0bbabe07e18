/** VS Code's proxy for programs that fetch something because the user said so. */

import { workspace } from "vscode";

/** What to lay over the environment of such a program. */
export function networkEnvironment(): NodeJS.ProcessEnv {
  const proxy = workspace.getConfiguration("http").get<string>("proxy");
  return proxy ? { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } : {};
}
