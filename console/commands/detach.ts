import { withLink } from './context.ts';
import type { Reporter } from './report.ts';

export async function detach(reporter: Reporter, ref: string | undefined, _flags: object): Promise<number> {
  return withLink(reporter, ref, {}, async ({ link, container }) => {
    const removeKit = link.facts.wayIn === 'injected';
    await link.control.call('detach', { removeKit });
    reporter.answer(
      { detached: container.name, kitRemoved: removeKit },
      `${container.name} is as it was found: the agent ended${removeKit ? ' and its kit is gone' : ''}.`,
    );
    return 0;
  });
}
