/**
 * The debuggers that the kit brings for images without one: the pure wheels of debugpy, which is two thirds of a megabyte
 * each. debugpy 1.5.1 is the last for Python 3.6 and earlier (2.7 and 3.5 included, so ptvsd is for none), 1.6.7 for 3.7.
 */
import { createHash } from 'node:crypto';
import { cp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** The first Python that each is for. 1.8.21 is the last with a pure wheel. */
export const DEBUGPY = { '3.8': '1.8.21', '3.7': '1.6.7.post1', '3.5': '1.5.1' } as const;

/** Without pip on this machine the kit has none, and `drydock debug` needs the image's own. */
export async function copyDebuggers(root: string, out: string): Promise<void> {
  const script = join(import.meta.dirname, 'debugpy.py');
  const strip = createHash('sha256')
    .update(await readFile(script))
    .digest('hex')
    .slice(0, 8);
  const cache = join(root, 'build', 'debugpy', [...Object.values(DEBUGPY), strip].join('-'));
  const names = Object.keys(DEBUGPY).map((first) => `${first}.zip`);
  const has = (name: string) => stat(join(cache, name)).then(Boolean, () => false);
  if (!(await Promise.all(names.map(has))).every(Boolean)) {
    const { failed, stderr, shortMessage } = await execa(
      process.env['DRYDOCK_TEST_PYTHON'] ?? 'python3',
      [script, cache, ...Object.entries(DEBUGPY).flat()],
      { reject: false },
    );
    if (failed) {
      const why = stderr.trim().split('\n').at(-1) ?? shortMessage;
      process.stderr.write(
        `without debugpy: pip could not fetch it (${why}); \`drydock debug\` needs the image’s own\n`,
      );
      return;
    }
  }
  await cp(cache, join(out, 'debugpy'), { recursive: true });
}
