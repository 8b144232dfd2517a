/** What a commit asks of the agent: to leave the file system as an image should hold it, and to go on afterwards. */
import type { Peer } from '../../shared/link/peer.ts';
import type { Kit } from '../kit/kit.ts';
import type { Facts, Target } from '../place/place.ts';
import type { CommitHooks } from './commit.ts';
import { putKit, removeKit } from './link.ts';

export function commitHooks(
  { control, target, container, kit }: { control: Peer; target: Target; container: Facts; kit: Kit },
  quiet: CommitHooks['quiet'],
): CommitHooks {
  let dropped = false;
  return {
    quiet,
    prepare: async (dropKit) => {
      // A commit pauses the container, and the agent with it.
      control.setPatient(true);
      const { value } = await control.call('commit.prepare', { dropKit });
      dropped = dropKit;
      if (dropKit && !value.kitDropped) await removeKit(target, container);
    },
    done: async () => {
      control.setPatient(false);
      await control.call('commit.done', {});
      // The daemon ran on from memory; the next exec needs its files again.
      if (dropped) await putKit(target, kit);
    },
  };
}
