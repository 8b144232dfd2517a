/** The user's ignore rules of a folder: `.amlignore`, else `.gitignore`; then `.drydockignore`. Later lines win. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Rule } from '../../shared/core/sync/ignore.ts';

export const RULE_FILES: readonly string[] = ['.amlignore', '.gitignore', '.drydockignore'];

export async function readRules(dir: string): Promise<string[]> {
  return (await readPlacedRules(dir)).map(({ pattern }) => pattern);
}

/** With the file and line of each. */
export async function readPlacedRules(dir: string): Promise<Rule[]> {
  const [aml, git, own] = await Promise.all(RULE_FILES.map((name) => lines(dir, name)));
  return [...(aml ?? git ?? []), ...(own ?? [])];
}

async function lines(dir: string, name: string): Promise<Rule[] | null> {
  try {
    const text = await readFile(join(dir, name), 'utf8');
    return text.split(/\r?\n/).map((pattern, index) => ({ pattern, origin: `${name}:${index + 1}` }));
  } catch {
    return null; // absent or unreadable: its rules do not exist
  }
}
