import type { Path } from '../../shared/core/sync/tree.ts';
import { MemoryDisk, MemoryEndpoint } from '../support/memory-endpoint.ts';
import { endpointContract, ignoredInTests, type Outside } from './endpoint.ts';

endpointContract('a virtual disk', async () => {
  await Promise.resolve();
  const disk = new MemoryDisk();
  const endpoint = new MemoryEndpoint(disk, { ignored: ignoredInTests });
  return { endpoint, outside: outsideOf(disk), dispose: () => endpoint.close() };
});

function outsideOf(disk: MemoryDisk): Outside {
  const done = (work: () => void) => Promise.resolve().then(work);
  const execOf = (path: Path) => {
    const item = disk.items?.get(path);
    return item?.kind === 'file' && item.exec;
  };
  return {
    write: (path, content) => done(() => disk.write(path, content, execOf(path))),
    writeOver: (path, content) => done(() => disk.write(path, content)),
    mkdir: (path) => done(() => disk.put(path, { kind: 'dir' })),
    link: (path, target) => done(() => disk.put(path, { kind: 'link', target })),
    setExec: (path, exec) =>
      done(() => {
        const item = disk.items?.get(path);
        if (item?.kind === 'file') disk.put(path, { ...item, exec });
      }),
    rename: (from, to) =>
      done(() => {
        const moved = [...(disk.items ?? [])].filter(([path]) => path === from || path.startsWith(`${from}/`));
        disk.set(from, null);
        for (const [path, item] of moved) disk.set(to + path.slice(from.length), item);
        disk.changed();
      }),
    remove: (path) => done(() => disk.remove(path)),
    read: (path) =>
      done(() => undefined).then(() => {
        const item = disk.items?.get(path);
        return item?.kind === 'file' ? item.data : null;
      }),
    list: () => done(() => undefined).then(() => disk.list()),
  };
}
