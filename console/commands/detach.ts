import { DrydockError } from '../../shared/core/errors.ts';
import { removeKit } from '../engine/link.ts';
import { withLink } from './context.ts';
import type { Reporter } from './report.ts';

/**
 * An agent that ends under it may not have put back everything. Another one is asked then: it starts where none runs, and
 * puts back whatever was left.
 */
export async function detach(reporter: Reporter, ref: string | undefined): Promise<number> {
  try {
    return await detachOnce(reporter, ref);
  } catch (error) {
    if (!(error instanceof DrydockError) || error.code !== 'link-lost') throw error;
    return detachOnce(reporter, ref);
  }
}

function detachOnce(reporter: Reporter, ref: string | undefined): Promise<number> {
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
