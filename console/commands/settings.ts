/** `drydock.yaml`: what would else be said by flags each time. It lies in the host folder, or above where the user is. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';

const SETTINGS_FILE = 'drydock.yaml';

/** What flags and the file have in common, by the flags' names. */
export interface Settings {
  readonly container?: string;
  /** Absolute path. */
  readonly dir?: string;
  readonly root?: string;
  readonly port?: number;
  readonly scorePath?: string;
  readonly healthPath?: string;
  readonly capture?: boolean;
  readonly redact?: readonly string[];
}

/** Of the nearest folder at or above the first of `folders` that has the file; empty when none has. */
export async function readSettings(folders: readonly string[]): Promise<Settings> {
  for (const start of folders) {
    for (let folder = start; ; folder = dirname(folder)) {
      const path = join(folder, SETTINGS_FILE);
      const text = await readFile(path, 'utf8').catch((error: unknown) => absent(error, path));
      if (text !== null) {
        const { parseSettings } = await import('./parse-settings.ts'); // YAML's parser, only where it is needed
        return parseSettings(text, path);
      }
      if (folder === dirname(folder)) break;
    }
  }
  return {};
}

function absent(cause: unknown, path: string): null {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw new DrydockError('io', `${path} cannot be read.`, { hint: 'Check its mode and owner.', cause });
}
