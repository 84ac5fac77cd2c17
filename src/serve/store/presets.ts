import type { DatabaseSync } from "node:sqlite";
import type { ChatSettings, Preset } from "../wire.ts";
import type { PresetStore } from "./store.ts";

export class SqlitePresets implements PresetStore {
  private readonly db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  list(owner: string): Preset[] {
    const row = this.db.prepare("SELECT presets FROM presets WHERE owner = ?").get(owner);
    return row ? JSON.parse(row.presets as string) : [];
  }

  replace(owner: string, presets: readonly Preset[]): void {
    this.db
      .prepare("INSERT OR REPLACE INTO presets (owner, presets) VALUES (?, ?)")
      .run(owner, JSON.stringify(presets));
  }

  defaults(owner: string): ChatSettings {
    const row = this.db.prepare("SELECT settings FROM defaults WHERE owner = ?").get(owner);
    return row ? JSON.parse(row.settings as string) : {};
  }

  setDefaults(owner: string, settings: ChatSettings): void {
    this.db
      .prepare("INSERT OR REPLACE INTO defaults (owner, settings) VALUES (?, ?)")
      .run(owner, JSON.stringify(settings));
  }
}
