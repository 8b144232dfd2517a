/** One `fs.watch` for each folder of the tree, on Linux. */
import { watch } from 'node:fs';
import { codeOf } from '../errno.ts';
import type { HintSource, HintTarget } from './source.ts';

export function watchFolders(target: HintTarget): Promise<HintSource> {
  let limited = false;
  return Promise.resolve({
    cover: (folder, dir) => {
      try {
        // By its descriptor, so that the folder that is listed is the one that is watched.
        const watcher = watch(folder.here, (_event, name) => target.hint(dir, name));
        watcher.on('error', () => target.hint(dir, null));
        return () => watcher.close();
      } catch (error) {
        const code = codeOf(error);
        if (code === '') throw error;
        if (!limited && ['ENOSPC', 'EMFILE', 'ENOMEM'].includes(code)) {
          limited = true;
          target.lost(`this system allows no more watches (${code}); the other folders are looked at every second`);
        }
        return null;
      }
    },
    close: () => Promise.resolve(),
  });
}
