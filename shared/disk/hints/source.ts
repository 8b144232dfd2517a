/** Something that says where to look. It never says what happened: that is seen by looking. */
import type { SeenDir } from '../known.ts';
import type { Folder } from '../walk.ts';

export interface HintSource {
  /**
   * From now on what changes in this folder is hinted. Called before the folder is listed. Returns what ends it; null
   * when the folder cannot be watched (a limit was reached), which the source has reported then.
   */
  cover(folder: Folder, dir: SeenDir): (() => void) | null;
  close(): Promise<void>;
}

export interface HintTarget {
  /** Something happened to `name` in the folder; null when the system does not say to what. */
  hint(dir: SeenDir, name: string | null): void;
  /** Hints may be missing. */
  lost(reason: string): void;
}
