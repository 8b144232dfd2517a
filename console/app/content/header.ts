/** The header: always true, on two or three rows. What there is no room for goes in the order of its rank. */
import type { ReloadResult } from '../../../shared/core/service.ts';
import type { SyncView, View } from '../../engine/view.ts';
import { clockTime, count, duration, tilde } from '../format.ts';
import { healthOf } from '../health.ts';
import { choose, cutPath, span, widthOf, type Row } from '../rows.ts';
import type { State } from '../state.ts';

const GAP = '   ';

export function headerRows(state: State, columns: number, rows: number): Row[] {
  const { view } = state;
  if (view === null) return [[span(' drydock', 'strong')]];
  return [whoRow(view, columns), syncRow(view.sync, state.home, columns), serviceRow(state, view, columns)].slice(
    0,
    rows,
  );
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

function syncRow(sync: SyncView, home: string, columns: number): Row {
  const counts = countsOf(sync);
  const room = Math.max(16, columns - widthOf(counts) - 2 - GAP.length);
  if (sync.dir === null || sync.mode === 'none') {
    return [span(` ${cutPath(sync.root, room)}`), span(GAP), ...counts];
  }
  const arrow = sync.mode === 'bind' ? ' = ' : ' ⇄ ';
  const dir = tilde(sync.dir, home);
  const both = room - arrow.length;
  const root = Math.min(widthOf(sync.root), Math.max(Math.floor(both / 2), both - widthOf(dir)));
  return [
    span(` ${cutPath(dir, both - root)}`),
    span(arrow, 'accent'),
    span(cutPath(sync.root, root)),
    span(GAP),
    ...counts,
  ];
}

function countsOf(sync: SyncView): Row {
  if (sync.mode === 'bind') return [span('bind mount: nothing to copy', 'dim')];
  if (sync.mode === 'none') return [span('not synchronised', 'dim')];
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
  return [
    span(`${count(sync.files, 'file')} · ${sync.out} out · ${sync.in} in · `, 'dim'),
    span(count(conflicts, 'conflict'), conflicts > 0 ? 'bad' : 'dim'),
  ];
}

function serviceRow({ reload }: State, { scoreUrl, service }: View, columns: number): Row {
  const url = scoreUrl === null ? span(' no scoring URL', 'dim') : span(` ${scoreUrl}`, 'accent');
  const code = codeOf(reload, service?.liveSince ?? null);
  const facts = [
    code,
    service?.entryScript?.split('/').at(-1),
    service?.pythonVersion === null ? undefined : service && `Python ${service.pythonVersion}`,
    service && `as ${service.user}`,
  ];
  return choose(
    [
      { rank: 0, row: [url] },
      ...facts.flatMap((fact, index) =>
        typeof fact === 'string'
          ? [{ rank: index + 1, row: [span(fact, index === 0 && reload?.ok === false ? 'bad' : 'dim')] }]
          : [],
      ),
    ],
    columns - 1,
    GAP,
  );
}

function codeOf(reload: ReloadResult | null, liveSince: number | null): string | undefined {
  if (reload === null) return liveSince === null ? undefined : `serving since ${clockTime(liveSince)}`;
  return reload.ok
    ? `reloaded in ${duration(reload.ms)} at ${clockTime(reload.at)}`
    : `reload failed at ${clockTime(reload.at)}`;
}
