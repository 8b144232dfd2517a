import { DrydockError } from '../../shared/core/errors.ts';
import { ContainerEngine } from '../engine/engine.ts';
import type { EngineEvent, SyncView, View } from '../engine/view.ts';
import { describeFound } from '../text/found.ts';
import { chooseContainer, complete, engineOptions, openPlace, type EngineFlags } from './context.ts';
import { explainPath } from './explain-path.ts';
import type { Reporter } from './report.ts';

export interface SyncFlags extends EngineFlags {
  /** A path; nothing is synchronised then. */
  readonly explain?: string;
  readonly once?: boolean;
  readonly prefer?: 'host' | 'container';
  readonly union?: boolean;
}

export async function sync(reporter: Reporter, named: string | undefined, given: SyncFlags): Promise<number> {
  if (given.explain !== undefined) return explainPath(reporter, given.explain, given);
  const { ref, flags } = await complete(named, given);
  if (flags.union === true && flags.prefer !== undefined) {
    throw new DrydockError('usage', '--union and --prefer exclude each other.', {
      hint: '--union keeps both versions; --prefer takes one side’s.',
    });
  }
  const policy = flags.prefer ?? (flags.union === true ? 'union' : 'refuse');
  const place = await openPlace();
  let name: string;
  try {
    name = await chooseContainer(place, ref);
    await place.open(name);
  } catch (error) {
    await place.close();
    throw error;
  }
  const engine = new ContainerEngine(place, await engineOptions(name, flags, policy, 'never'));
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => end(0));
  let view: View | null = null;
  engine.subscribe((next) => {
    view = next;
    if (next.link.phase === 'failed') fail(DrydockError.fromInfo(next.link.error));
  });
  engine.events((event) => {
    reporter.answer(event, sentence(event));
    if (event.event === 'halted') end(4);
    else if (flags.once === true && event.event === 'waiting') end(3);
    else if (flags.once === true && event.event === 'ready' && view !== null) end(outcomeOf(view.sync));
  });
  try {
    return await ended;
  } finally {
    await engine.close();
  }
}

/** After one reconcile: conflicts are left, something could not be made equal, or all is well. */
function outcomeOf({ conflicts, rows, problems }: SyncView): number {
  if (conflicts.length > 0) return 5;
  return problems.length > 0 && rows.some(({ state }) => state === 'pending') ? 4 : 0;
}

function sentence(event: EngineEvent): string {
  switch (event.event) {
    case 'ready':
      return [
        `ready: ${event.dir} ⇄ ${event.root}, ${event.files} files`,
        ...(event.found === undefined ? [] : describeFound(event.found)),
      ].join('\n');
    case 'synced':
      return `${event.to === 'container' ? '→' : '←'} ${event.path} (${Math.round(event.ms)} ms)`;
    case 'reloaded':
      return event.ok
        ? `✓ reloaded in ${Math.round(event.ms)} ms`
        : `✗ not reloaded, failed at ${event.stage}: ${event.error ?? ''}; what served before goes on`;
    case 'start':
      return `${event.ok ? '!' : '✗'} ${event.message}`;
    case 'exit':
      return `! ${event.words}`;
    case 'problem':
      return `! ${event.path === '' ? '' : `${event.path} `}${event.message}`;
    case 'conflict':
      return `! ${event.path} was changed on both sides; the container’s version is ${event.kept}`;
    case 'halted':
      return `halted: ${event.reason}\n  ${event.hint}`;
    case 'waiting':
      return `waiting: ${event.reason} ${event.hint}`;
    case 'idle':
      return '';
  }
}
