/** Where conversations and keys are kept, by the customs of each system. */
import { homedir } from "node:os";
import { join } from "node:path";

export function dataFolder(platform = process.platform, env = process.env, home = homedir()): string {
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(home, "AppData", "Local"), "shoal");
  if (platform === "darwin") return join(home, "Library", "Application Support", "shoal");
  return join(env.XDG_DATA_HOME ?? join(home, ".local", "share"), "shoal");
}
