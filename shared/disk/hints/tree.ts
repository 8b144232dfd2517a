/**
 * chokidar's raw events of folders, on macOS and Windows. Its own events, which say what happened, are not used: that
 * is seen by looking. Figures beside those of the other source: folders.ts.
 */
import { relative, sep } from 'node:path';
import { watch } from 'chokidar';
import type { Path } from '../../core/sync/tree.ts';
import type { HintSource, HintTarget } from './source.ts';

export async function watchTree(
  root: string,
  ignored: (path: Path, isDir: boolean) => boolean,
  target: HintTarget,
): Promise<HintSource> {
  const pathOf = (absolute: string): Path => relative(root, absolute).split(sep).join('/');
  const watcher = watch(root, {
    ignored: (absolute, stats) => {
      const path = pathOf(absolute);
      return path !== '' && stats !== undefined && (!stats.isDirectory() || ignored(path, true));
    },
    ignoreInitial: true,
    ignorePermissionErrors: true,
    followSymlinks: false,
    atomic: false,
  });
  watcher.on('raw', (_event, name, details) => {
    const folder = pathOf(watchedPathOf(details) ?? root);
    target.hintPath(name === null ? folder : folder === '' ? toPath(name) : `${folder}/${toPath(name)}`);
  });
  // A new folder is watched from here on; what came into it before is found by listing it again.
  watcher.on('addDir', (absolute) => target.hintPath(pathOf(absolute)));
  watcher.on('error', (error) => target.lost(`the watch of ${root} failed: ${String(error)}`));
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  return { cover: () => () => undefined, close: () => watcher.close() };
}

function watchedPathOf(details: unknown): string | null {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return null;
  return typeof details.watchedPath === 'string' ? details.watchedPath : null;
}

function toPath(name: string): Path {
  return name.split(sep).join('/');
}
