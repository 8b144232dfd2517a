/** The header: always true, on two or three rows. What there is no room for goes in the order of its rank. */
import type { ReloadResult, ServiceState } from '../../../shared/core/service.ts';
import type { LinkState, SyncView, View } from '../../engine/view.ts';
import { describeProgress } from '../../text/models.ts';
import { clockTime, count, duration, tilde } from '../format.ts';
import { healthOf } from '../health.ts';
import { choose, cutPath, span, widthOf, type Row } from '../rows.ts';
import type { State } from '../state.ts';

const GAP = '   ';

export function headerRows(state: State, columns: number, rows: number): Row[] {
  const { view } = state;
  if (view === null) return [[span(' drydock', 'strong')]];
  return [whoRow(view, columns), syncRow(view, state.home, columns), serviceRow(state, view, columns)].slice(0, rows);
}

function whoRow(view: View, columns: number): Row {
  const { container } = view;
  const { word, tone } = healthOf(view);
  return choose(
    [
      { rank: 0, row: [span(` ${container.name}`, 'strong')] },
      { rank: 2, row: [span(container.image)] },
      { rank: 4, row: [span(container.id.replace(/^sha256:/, '').slice(0, 8), 'dim')] },
      { rank: 0, row: [span('● ', tone), span(word, tone)] },
      ...workers(view),
      { rank: 5, row: [span(container.place, 'dim')] },
    ],
    columns - 1,
    GAP,
  );
}

function workers({ link, service }: View): { rank: number; row: Row }[] {
  if (link.phase !== 'up' || service === null || service.server === 'none') return [];
  const pids = service.workers.map(({ pid }) => pid);
  const shown = pids.slice(0, 4).join(' ');
  const text =
    pids.length === 0
      ? 'no worker'
      : pids.length === 1
        ? `worker ${shown}`
        : `${pids.length} workers ${shown}${pids.length > 4 ? ' …' : ''}`;
  return [{ rank: 3, row: [span(text)] }];
}

function syncRow({ sync, link }: View, home: string, columns: number): Row {
  const dir = sync.mode === 'none' || sync.dir === null ? '' : tilde(sync.dir, home);
  const arrow = dir === '' ? '' : sync.mode === 'bind' ? ' = ' : ' ⇄ ';
  const paths = [dir, sync.root];
  const need = paths.reduce((sum, path) => sum + Math.min(widthOf(path), widthOf(path.split('/').at(-1) ?? '') + 4), 0);
  const room = (counts: Row) => columns - 2 - GAP.length - arrow.length - widthOf(counts);
  const all = countsOf(sync, link);
  // Where there is no room for both, the names of the folders say more than how much has travelled.
  const counts = [all, all.toSpliced(1, 1), all.slice(2)].find((some) => room(some) >= need) ?? all.slice(-1);
  const both = Math.max(16, room(counts));
  const root = Math.min(widthOf(sync.root), Math.max(Math.floor(both / 2), both - widthOf(dir)));
  return [
    span(` ${cutPath(dir, both - root)}`),
    span(arrow, 'accent'),
    span(cutPath(sync.root, root)),
    span(GAP),
    ...counts,
  ];
}

/** Files, journeys and conflicts; or the one thing to know instead. */
function countsOf(sync: SyncView, link: LinkState): Row {
  if (sync.mode === 'bind') return [span('bind mount: nothing to copy', 'dim')];
  if (sync.mode === 'none') return [span('not synchronised', 'dim')];
  if (link.phase === 'connecting') return [];
  switch (sync.phase) {
    case 'off':
      return [span('sync off', 'dim')];
    case 'starting':
      return [span('comparing …', 'warn')];
    case 'halted':
      return [span('sync halted', 'bad')];
    case 'question':
      return [span('sync asks', 'warn')];
    case 'ready':
    case 'working':
      break;
  }
  const conflicts = sync.conflicts.length;
  const { fetch } = sync.models;
  if (fetch !== null) return [span(describeProgress(fetch), 'accent')];
  return [
    span(`${count(sync.files, 'file')} · `, 'dim'),
    span(`${sync.out} out · ${sync.in} in · `, 'dim'),
    span(count(conflicts, 'conflict'), conflicts > 0 ? 'bad' : 'dim'),
  ];
}

function serviceRow({ reload }: State, { link, scoreUrl, service }: View, columns: number): Row {
  // What was known of the service is not known any more, its address apart.
  if (link.phase !== 'up') return scoreUrl === null || link.phase === 'failed' ? [] : [span(` ${scoreUrl}`, 'accent')];
  const url = scoreUrl === null ? span(' no scoring URL', 'dim') : span(` ${scoreUrl}`, 'accent');
  const code = codeOf(reload, service?.liveSince ?? null);
  const exit = exitSince(service);
  const facts = [
    exit ?? code,
    service?.entryScript?.split('/').at(-1),
    service?.pythonVersion === null ? undefined : service && `Python ${service.pythonVersion}`,
    service && `as ${service.user}`,
    service === null ? undefined : wayOf(service),
    service?.found.how,
  ];
  return choose(
    [
      { rank: 0, row: [url] },
      ...facts.flatMap((fact, index) =>
        typeof fact === 'string'
          ? [
              {
                rank: index + 1,
                row: [span(fact, index === 0 && (exit !== undefined || reload?.ok === false) ? 'bad' : 'dim')],
              },
            ]
          : [],
      ),
    ],
    columns - 1,
    GAP,
  );
}

/** How new code is brought to serve, and why not the better way. */
function wayOf({ server, way }: ServiceState): string | undefined {
  if (server === 'none') return undefined;
  if (way.kind === 'candidate') return 'new code in a candidate worker';
  return `new code by a trial and a reload${way.reason === undefined ? '' : ` (${way.reason})`}`;
}

/** The last process that ended unasked since the newest reload; the reload's own word goes before an older one. */
function exitSince(service: ServiceState | null): string | undefined {
  const exit = service?.exits.at(-1);
  return exit !== undefined && exit.at > (service?.lastReload?.at ?? 0) ? exit.words : undefined;
}

function codeOf(reload: ReloadResult | null, liveSince: number | null): string | undefined {
  if (reload === null) return liveSince === null ? undefined : `serving since ${clockTime(liveSince)}`;
  if (reload.needs !== undefined) return 'new code waits for a start of the container';
  return reload.ok
    ? `reloaded in ${duration(reload.ms)} at ${clockTime(reload.at)}`
    : `reload failed at ${clockTime(reload.at)}`;
}
