import { commitContainer, commitPreview } from '../engine/commit.ts';
import { commitHooks } from '../engine/commit-hooks.ts';
import { openKit } from '../kit/kit.ts';
import { describeStart } from '../text/reload.ts';
import { kitDir, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export interface CommitFlags extends ServiceFlags {
  readonly withModels?: boolean;
}

export async function commit(reporter: Reporter, ref: string | undefined, flags: CommitFlags): Promise<number> {
  return withLink(reporter, ref, flags, async ({ place, target, container, link }) => {
    const app = {
      root: link.facts.root,
      injected: link.facts.wayIn === 'injected',
      models: flags.withModels === true,
    };
    // While the engine lists what changed it starts no process in the container.
    await link.bulk;
    const [{ tag, changed, from }, { value: start }] = await Promise.all([
      commitPreview(target, place, app),
      link.control.call('service.check-start', {}),
    ]);
    const kit = await openKit(kitDir());
    const hooks = commitHooks({ link, target, container, kit }, () => Promise.resolve(null));
    const result = await commitContainer(target, place, app, tag, hooks);
    const warning = describeStart(start);
    const files = changed.map(({ kind, path }) => `  ${kind} ${path}`);
    reporter.answer(
      { ...result, from, changed, start },
      [
        `✓ ${result.tag} (${result.imageId.slice(7, 19)}) from ${from} in ${Math.round(result.ms)} ms`,
        ...files,
        ...(warning === null ? [] : [`  ✗ ${warning}`]),
        ...result.notes.map((note) => `  note: ${note}`),
      ].join('\n'),
    );
    return 0;
  });
}
