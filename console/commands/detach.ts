import { removeKit } from '../engine/link.ts';
import { withLink } from './context.ts';
import type { Reporter } from './report.ts';

export async function detach(reporter: Reporter, ref: string | undefined): Promise<number> {
  return withLink(reporter, ref, {}, async ({ link, target, container }) => {
    const injected = link.facts.wayIn === 'injected';
    // Its `connect` would start the agent anew if it came after the end.
    await link.bulk;
    await link.control.call('detach', {});
    if (injected) await removeKit(target, container, link.facts.kitDir);
    reporter.answer(
      { detached: container.name, kitRemoved: injected },
      `${container.name} is as it was found: the agent ended${injected ? ' and its kit is gone' : ''}.`,
    );
    return 0;
  });
}
