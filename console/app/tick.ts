/** When the screen next changes by the clock alone. */
import type { State } from './state.ts';

/** Between two pictures of a spinner, in milliseconds. */
const WAIT_MS = 200;

/** Milliseconds until then; null when only news changes it. */
export function nextTick(state: State): number | null {
  if (state.shell?.open === true) return null;
  const until = state.notice?.until ?? null;
  const due = [
    ...(isWaiting(state) ? [WAIT_MS] : []),
    ...(until === null ? [] : [Math.max(20, until - state.now)]),
    ...(state.dialog === null && state.pane === 'files' ? agesTick(state) : []),
  ];
  return due.length === 0 ? null : Math.min(...due);
}

function isWaiting({ view, shell, reloadingSince, probe, score, load, replays, dialog }: State): boolean {
  const waits = [shell, reloadingSince, probe.since, score.since, load.running, replays?.since, view?.busy]
    .concat(view?.service?.debugger?.waitsUntil)
    .map((wait) => wait ?? null);
  if (view === null || waits.some((wait) => wait !== null)) return true;
  if (view.link.phase === 'connecting' || view.link.phase === 'waiting') return true;
  if (dialog?.kind === 'request' && dialog.busy) return true;
  return dialog?.kind === 'commit' && ['preview', 'committing', 'starting'].includes(dialog.step.at);
}

/** Ages go by ten seconds in their first minute and by minutes in their first hour. */
function agesTick({ view, now }: State): number[] {
  const newest = (view?.sync.rows ?? []).reduce((most, { last }) => Math.max(most, last?.at ?? 0), 0);
  const age = now - newest;
  return age < 60_000 ? [5000] : age < 3_600_000 ? [30_000] : [];
}
