import { openDisk } from '../../shared/disk/disk.ts';
import { checkingWalker } from '../../shared/disk/walk.ts';
import type { Walker } from '../../shared/disk/walk.ts';
import { testFolder } from '../support/folder.ts';
import { endpointContract, ignoredInTests } from './endpoint.ts';
import type { Subject } from './endpoint.ts';

async function subject(walker?: Walker): Promise<Subject> {
  const folder = await testFolder();
  const endpoint = await openDisk({ root: folder.root, ignored: ignoredInTests, ...(walker && { walker }) });
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
endpointContract('a real directory where folders have no descriptors', () => subject(checkingWalker));
