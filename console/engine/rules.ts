/** The user's ignore rules of a folder: `.amlignore`, else `.gitignore`; then `.drydockignore`. Later lines win. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const RULE_FILES: readonly string[] = ['.amlignore', '.gitignore', '.drydockignore'];

export async function readRules(dir: string): Promise<string[]> {
  const [aml, git, own] = await Promise.all(RULE_FILES.map((name) => lines(join(dir, name))));
  return [...(aml ?? git ?? []), ...(own ?? [])];
}

async function lines(file: string): Promise<string[] | null> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/);
  } catch {
    return null; // absent or unreadable: its rules do not exist
  }
}
