import { cp } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { kitDir, userDir } from './context.ts';
import type { Reporter } from './report.ts';

export async function kit(reporter: Reporter, dir: string): Promise<number> {
  const to = resolve(userDir(), dir);
  try {
    await cp(kitDir(), to, { recursive: true });
  } catch (cause) {
    throw new DrydockError('io', `The kit cannot be written to ${to}.`, {
      hint: 'Name a folder that you may write to, with 150 MB free.',
      cause,
    });
  }
  reporter.say(
    `The kit is in ${to}: list this folder in the image’s \`dependencies\` and add the lines of Dockerfile.steps.`,
  );
  return 0;
}
