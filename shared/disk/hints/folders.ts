/** One `fs.watch` for each folder of the tree: what the system itself offers on Linux. */
import { watch } from 'node:fs';
import { codeOf } from '../errno.ts';
import type { SeenDir } from '../known.ts';
import type { HintSource, HintTarget } from './source.ts';

export function watchFolders(target: HintTarget): HintSource {
  let limited = false;
  return {
    cover: (folder, dir: SeenDir) => {
      try {
        // By its descriptor, so the folder that is listed is the one that is watched.
        const watcher = watch(folder.here, { encoding: 'utf8' }, (_event, name) => target.hint(dir, name));
        watcher.on('error', () => target.hint(dir, null));
        return () => watcher.close();
      } catch (error) {
        const code = codeOf(error);
        if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(code)) return null;
        if (!limited) target.lost(`this system allows no more watches (${code}); the rest is looked at now and then`);
        limited = true;
        return null;
      }
    },
    close: () => Promise.resolve(),
  };
}
