/** What a commit asks of the agent: to leave the file system as an image should hold it, and to go on afterwards. */
import type { Kit } from '../kit/kit.ts';
import type { Facts, Target } from '../place/place.ts';
import type { CommitHooks } from './commit.ts';
import { putKit, removeKit, type Link } from './link.ts';

export function commitHooks(
  { link, target, container, kit }: { link: Link; target: Target; container: Facts; kit: Kit },
  quiet: CommitHooks['quiet'],
): CommitHooks {
  const { control } = link;
  let dropped = false;
  return {
    quiet,
    prepare: async (dropKit) => {
      // The second connection's program may still be starting from the kit's files.
      await link.bulk;
      // A commit pauses the container, and the agent with it.
      control.setPatient(true);
      dropped = dropKit;
      const { value } = await control.call('commit.prepare', { dropKit });
      if (dropKit && !value.kitDropped) await removeKit(target, container, link.facts.kitDir);
    },
    done: async () => {
      control.setPatient(false);
      // The daemon ran on from memory; the next exec needs its files again, whatever became of the link.
      await Promise.all([
        control.call('commit.done', {}),
        dropped ? putKit(target, kit, link.facts.kitDir) : undefined,
      ]);
    },
  };
}
