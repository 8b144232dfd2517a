import { openDisk } from '../../shared/disk/disk.ts';
import type { DiskOptions } from '../../shared/disk/disk.ts';
import { watchFolders } from '../../shared/disk/hints/folders.ts';
import { watchTree } from '../../shared/disk/hints/tree.ts';
import { checkingWalker } from '../../shared/disk/walk.ts';
import { testFolder } from '../support/folder.ts';
import { endpointContract, ignoredInTests } from './endpoint.ts';
import type { Subject } from './endpoint.ts';

async function subject(how?: (root: string) => Partial<DiskOptions>): Promise<Subject> {
  const folder = await testFolder();
  const endpoint = await openDisk({ root: folder.root, ignored: ignoredInTests, ...how?.(folder.root) });
  return {
    endpoint,
    outside: folder.outside,
    dispose: async () => {
      await endpoint.close();
      await folder.remove();
    },
  };
}

endpointContract('a real directory', () => subject());
endpointContract('a real directory as on macOS and Windows: no descriptors of folders, hints from chokidar', () =>
  subject((root) => ({
    walker: checkingWalker,
    can: { exchange: false, moveToFree: false },
    hints: (target) => watchTree(root, ignoredInTests, target),
  })),
);
endpointContract('a real directory of which only the top can be watched', () =>
  subject(() => ({
    hints: async (target) => {
      const source = await watchFolders(target);
      return { ...source, cover: (folder, dir) => (dir.parent === null ? source.cover(folder, dir) : null) };
    },
  })),
);
endpointContract('a real directory on a file system without hard links and executable bits', () =>
  subject(() => ({ can: { hardLinks: false, execBit: false, exchange: false, moveToFree: false } })),
);
