/** When a file shows new content, seen from outside: a watch on its folder and a look after each event. */
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** Resolves with performance.now() of the first look that saw `content`. The watch is on before `act` is called. */
export async function untilVisible(file: string, content: string, act: () => Promise<void>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const look = async () => {
    const seen = await readFile(file, 'utf8').catch(() => null);
    if (seen === content) resolve(performance.now());
  };
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === null || name === basename(file)) void look();
  });
  try {
    await act();
    await look();
    return await promise;
  } finally {
    watcher.close();
  }
}

/** Resolves with performance.now() once every file is there and shows its content, looked at in turn. */
export async function untilAllVisible(files: Iterable<readonly [file: string, content: string]>): Promise<number> {
  for (const [file, content] of files) {
    while ((await readFile(file, 'utf8').catch(() => null)) !== content)
      await new Promise((next) => setTimeout(next, 2));
  }
  return performance.now();
}
