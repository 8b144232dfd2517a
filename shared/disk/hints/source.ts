/** Something that says where to look. It never says what happened: that is seen by looking. */
import type { Path } from '../../core/sync/tree.ts';
import type { SeenDir } from '../known.ts';
import type { Folder } from '../walk.ts';

export interface HintSource {
  /**
   * Called before a folder is listed: from now on what changes in it is hinted. Returns what ends that; null when the
   * folder cannot be watched, and must be looked at now and then.
   */
  cover(folder: Folder, dir: SeenDir): (() => void) | null;
  close(): Promise<void>;
}

export interface HintTarget {
  /** Something happened to `name` in the folder; null when the system does not say to what. */
  hint(dir: SeenDir, name: string | null): void;
  hintPath(path: Path): void;
  /** Hints may be missing. */
  lost(reason: string): void;
}

/** Resolves when hints come. */
export type OpenHints = (target: HintTarget) => Promise<HintSource>;
