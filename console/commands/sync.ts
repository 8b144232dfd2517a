import { DrydockError } from '../../shared/core/errors.ts';
import { MEANT, type BrakeName, type Word } from '../../shared/core/sync/guard.ts';
import { ContainerEngine } from '../engine/engine.ts';
import type { EngineEvent, SyncView, View } from '../engine/view.ts';
import { describeFound } from '../text/found.ts';
import { describeFetch } from '../text/models.ts';
import { chooseContainer, complete, engineOptions, openPlace, type EngineFlags } from './context.ts';
import { explainPath } from './explain-path.ts';
import type { Reporter } from './report.ts';

export interface SyncFlags extends EngineFlags {
  /** A path; nothing is synchronised then. */
  readonly explain?: string;
  readonly once?: boolean;
  readonly prefer?: 'host' | 'container';
  readonly union?: boolean;
  /** Names of brakes. */
  readonly goOn?: readonly string[];
  readonly restore?: boolean;
  readonly withModels?: boolean;
  readonly replaceModels?: boolean;
}

export async function sync(reporter: Reporter, named: string | undefined, given: SyncFlags): Promise<number> {
  if (given.explain !== undefined) return explainPath(reporter, given.explain, given);
  const { ref, flags } = await complete(named, given);
  if (flags.union === true && flags.prefer !== undefined) {
    throw new DrydockError('usage', '--union and --prefer exclude each other.', {
      hint: '--union keeps both versions; --prefer takes one side’s.',
    });
  }
  const said = wordsOf(flags);
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
  const replaceModels = flags.replaceModels === true;
  const withModels = flags.withModels === true || replaceModels;
  const options = await engineOptions(name, flags, policy, 'never');
  const engine = new ContainerEngine(place, { ...options, said, withModels, replaceModels });
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => end(0));
  let view: View | null = null;
  const tenths = everyTenth();
  const once = { sync: null as number | null, models: withModels ? null : 0 };
  const endOnce = (part: Partial<typeof once>) => {
    Object.assign(once, part);
    if (flags.once === true && once.sync !== null && once.models !== null)
      end(once.models === 0 ? once.sync : once.models);
  };
  engine.subscribe((next) => {
    view = next;
    if (next.link.phase === 'failed') fail(DrydockError.fromInfo(next.link.error));
  });
  engine.events((event) => {
    reporter.answer(event, reporter.json || event.event !== 'fetching' ? sentence(event) : tenths(event));
    if (event.event === 'halted') end(4);
    else if (flags.once === true && event.event === 'waiting') end(3);
    else if (event.event === 'ready' && view !== null) endOnce({ sync: outcomeOf(view.sync) });
    else if (event.event === 'fetched') endOnce({ models: 0 });
    else if (event.event === 'unfetched') endOnce({ models: DrydockError.fromInfo(event.error).exitCode });
  });
  try {
    return await ended;
  } finally {
    await engine.close();
  }
}

/** Of each brake one word: what is named to go on does not come back. */
function wordsOf({ goOn = [], restore }: SyncFlags): ReadonlyMap<BrakeName, Word> {
  const said = new Map<BrakeName, Word>();
  if (restore === true) said.set('emptied', 'restore').set('mass-delete', 'restore');
  for (const text of goOn) {
    const name = MEANT.find((each) => each === text);
    if (name === undefined) {
      throw new DrydockError('usage', `sync never halts at “${text}” in a way that could be meant.`, {
        hint: `--go-on takes ${MEANT.join(', ')}, several with commas between them.`,
      });
    }
    said.set(name, 'go-on');
  }
  return said;
}

/** After one reconcile: conflicts are left, something could not be made equal, or all is well. */
function outcomeOf({ conflicts, rows, problems }: SyncView): number {
  if (conflicts.length > 0) return 5;
  return problems.length > 0 && rows.some(({ state }) => state === 'pending') ? 4 : 0;
}

/** Progress for people: every tenth of the way. */
function everyTenth(): (event: Extract<EngineEvent, { event: 'fetching' }>) => string {
  let told = '';
  return (event) => {
    const now = `${event.phase} ${Math.floor((event.bytes / event.total) * 10)}`;
    if (now === told) return '';
    told = now;
    return describeFetch(event);
  };
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
    case 'models':
    case 'fetching':
    case 'refetching':
      return describeFetch(event);
    case 'fetched':
      return `✓ ${describeFetch(event)}`;
    case 'unfetched':
      return `✗ ${event.error.message}${event.error.hint === undefined ? '' : `\n  ${event.error.hint}`}`;
    case 'halted':
      return `halted: ${event.reason}\n  ${event.hint}`;
    case 'waiting':
      return `waiting: ${event.reason} ${event.hint}`;
    case 'probed':
    case 'replayed':
    case 'idle':
      return '';
  }
}
