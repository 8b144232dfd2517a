import { DrydockError } from '../../shared/core/errors.ts';
import type { ReloadResult } from '../../shared/core/service.ts';
import { restartContainer, untilAnswers } from '../engine/restart.ts';
import { describeReload } from '../text/reload.ts';
import { linkTo, wishesOf, withLink, type Attached, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export interface ReloadFlags extends ServiceFlags {
  readonly restart?: boolean;
}

export async function reload(reporter: Reporter, ref: string | undefined, given: ReloadFlags): Promise<number> {
  return withLink(reporter, ref, given, async (attached) => {
    const { link, flags } = attached;
    // Following holds `finish` for as long as this verb runs.
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const { value: tried } = await link.control.call('service.reload', {});
    const value =
      tried.needs === 'container-restart' && given.restart === true
        ? await byRestart(reporter, attached, tried)
        : tried;
    reporter.answer(value, describeReload(value));
    return value.ok ? 0 : 1;
  });
}

/** The code was tried and is good: the container starts again with it. */
async function byRestart(
  reporter: Reporter,
  { place, target, container, flags }: Attached,
  tried: ReloadResult,
): Promise<ReloadResult> {
  const from = performance.now();
  reporter.step(`${container.name}: starting again …`);
  await restartContainer(target);
  const again = await place.open(target.id.container);
  const link = await linkTo(reporter, again, await again.facts(), flags);
  try {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const health = await untilAnswers(link);
    const ms = performance.now() - from;
    const stages = [...tried.stages, { name: 'answer' as const, ms }];
    const ok = health === 'healthy';
    const { generation, way } = tried;
    const result = {
      ok,
      generation,
      stage: 'answer' as const,
      stages,
      ms: tried.ms + ms,
      ...(way && { way }),
      at: Date.now(),
    };
    if (ok) return result;
    const message = 'the container was started again, and its service is unhealthy';
    return { ...result, error: { type: 'Unhealthy', message, traceback: message, frames: [] } };
  } catch (cause) {
    if (!(cause instanceof DrydockError) || cause.code !== 'link-lost') throw cause;
    throw new DrydockError('not-well', `${container.name} ended after it was started again.`, {
      hint: `Its last words: drydock logs ${container.name}`,
      cause,
    });
  } finally {
    link.close();
  }
}
