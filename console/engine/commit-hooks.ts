/** What a commit asks of the agent: to leave the file system as an image should hold it, and to go on afterwards. */
import type { Peer } from '../../shared/link/peer.ts';
import type { Kit } from '../kit/kit.ts';
import type { Target } from '../place/place.ts';
import type { CommitHooks } from './commit.ts';
import { putKit } from './link.ts';

export function commitHooks(control: Peer, target: Target, kit: Kit, quiet: CommitHooks['quiet']): CommitHooks {
  let dropped = false;
  return {
    quiet,
    prepare: async (dropKit) => {
      dropped = dropKit;
      // A commit pauses the container, and the agent with it.
      control.setPatient(true);
      await control.call('commit.prepare', { dropKit });
    },
    done: async () => {
      control.setPatient(false);
      await control.call('commit.done', {});
      // The daemon ran on from memory; the next exec needs its files again.
      if (dropped) await putKit(target, kit);
    },
  };
}
