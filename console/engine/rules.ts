/** The user's ignore rules of a folder: `.amlignore`, else `.gitignore`; then `.drydockignore`. Later lines win. */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { RULE_FILES, type Rule } from '../../shared/core/sync/ignore.ts';
import { stampOf } from '../../shared/disk/reading.ts';

/** An editor may take a file away, or empty it, for a moment. Milliseconds. */
const SAVE = 100;
/** A stamp that is younger than the coarsest file system counts proves nothing. Milliseconds. */
const YOUNG = 2_100;

export async function readRules(dir: string): Promise<string[]> {
  return (await readPlacedRules(dir)).map(({ pattern }) => pattern);
}

/** With the file and line of each. */
export async function readPlacedRules(dir: string): Promise<Rule[]> {
  const [aml, git, own] = await Promise.all(RULE_FILES.map((name) => lines(dir, name)));
  return [...(aml ?? git ?? []), ...(own ?? [])];
}

/** The rules as they were read, and whether they still are the folder's. */
export class FolderRules {
  readonly lines: readonly string[];
  readonly #dir: string;
  #stamps: string | null;
  #hold = true;

  private constructor(dir: string, lines: readonly string[], stamps: string | null) {
    this.#dir = dir;
    this.lines = lines;
    this.#stamps = stamps;
  }

  static async read(dir: string): Promise<FolderRules> {
    const stamps = stampsIn(dir);
    return new FolderRules(dir, await readRules(dir), stamps);
  }

  /** False from the first moment on at which the folder was seen with others. Reads only files that were touched. */
  async hold(): Promise<boolean> {
    const stamps = stampsIn(this.#dir);
    if (this.#hold && (stamps === null || stamps !== this.#stamps)) {
      if (isDeepStrictEqual(await readRules(this.#dir), this.lines)) this.#stamps = stamps;
      else this.#hold = false;
    }
    return this.#hold;
  }

  /** Resolves when they are no half of a save. */
  async rest(): Promise<void> {
    for (let now = await readRules(this.#dir), last; !isDeepStrictEqual(now, last); now = await readRules(this.#dir)) {
      last = now;
      await sleep(SAVE);
    }
  }
}

/** Null when they prove nothing. */
function stampsIn(dir: string): string | null {
  try {
    const stats = RULE_FILES.map((name) => statSync(join(dir, name), { bigint: true, throwIfNoEntry: false }));
    const now = Date.now();
    if (stats.some((stat) => stat !== undefined && now - Number(stat.ctimeMs) < YOUNG)) return null;
    return stats.map((stat) => (stat === undefined ? '' : stampOf(stat))).join(' ');
  } catch {
    return null; // the folder may not be entered
  }
}

async function lines(dir: string, name: string): Promise<Rule[] | null> {
  try {
    const text = await readFile(join(dir, name), 'utf8');
    return text.split(/\r?\n/).map((pattern, index) => ({ pattern, origin: `${name}:${index + 1}` }));
  } catch {
    return null; // absent or unreadable: its rules do not exist
  }
}
