/** The Probes pane's keys and news: a run of the probes, its failing steps, and one of them opened. */
import type { ProbeReport } from '../../shared/core/service.ts';
import { PROBES, type ProbeName } from '../engine/view.ts';
import { clampScroll } from './content/content.ts';
import { openable, probeContent, reportOf } from './content/probes.ts';
import { count } from './format.ts';
import { layoutOf } from './layout.ts';
import type { Outcome } from './message.ts';
import type { Probe, State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

/** All of them, or init() with what its imports and loads take; the others' reports stay then. */
export function beginProbes(before: State, profile = false): Step {
  const state = { ...before, pane: 'probes' } as const;
  const { probe } = state;
  if (probe.since !== null) return [state, []];
  const asked: readonly ProbeName[] = profile ? ['init'] : PROBES;
  const isAsked = ({ probe: name }: ProbeReport): boolean => asked.some((one) => one === name);
  const parts = probe.parts.filter(isAsked);
  const others = probe.parts.filter((part) => !isAsked(part));
  const replaced = (reports: readonly ProbeReport[], by: readonly ProbeReport[]): readonly ProbeReport[] => [
    ...reports.filter(({ probe: name }) => reportOf(by, name) === undefined),
    ...by,
  ];
  const next: Probe = {
    ...{ ...probe, asked, since: state.now, parts: others, trouble: null, scroll: 0, chosen: 0 },
    ms: others.length > 0 ? probe.ms : null,
    old: others.length > 0 ? probe.old : null,
    before: replaced(probe.before, parts),
    base: replaced(
      probe.base,
      parts.map((part) => lastWell(part, reportOf(probe.base, part.probe))),
    ),
  };
  return [{ ...state, probe: next }, [{ do: profile ? 'profile' : 'probe' }]];
}

/** A step that was not there before counts from when it is well. */
function lastWell(report: ProbeReport, base: ProbeReport | undefined): ProbeReport {
  if (base === undefined) return report;
  const isWell = (name: string): boolean => {
    const same = report.steps.filter((step) => step.name === name);
    return same.length > 0 && same.every(({ ok, skipped }) => ok && skipped !== true);
  };
  const steps = [...base.steps.filter(({ name }) => !isWell(name)), ...report.steps.filter(({ name }) => isWell(name))];
  return { ...base, steps };
}

/** What they tell is of the code before. */
export function outdated(state: State, old: NonNullable<Probe['old']>): State {
  const { probe } = state;
  return probe.since === null && probe.parts.length === 0 ? state : { ...state, probe: { ...probe, old } };
}

/** They come as they are there, and stand in their order. */
export function probeArrived(state: State, report: ProbeReport): State {
  const { probe } = state;
  if (probe.since === null) return state;
  const rank = ({ probe: name }: ProbeReport): number => PROBES.findIndex((known) => known === name);
  const parts = [...probe.parts, report].toSorted((a, b) => rank(a) - rank(b));
  return { ...state, probe: { ...probe, parts } };
}

export function probesDone(state: State, outcome: Outcome<ProbeReport>): State {
  const probe = { ...state.probe, since: null };
  if (!outcome.ok) {
    const failed = { ...state, probe: { ...probe, trouble: outcome.trouble } };
    return state.pane === 'probes' ? failed : trouble(failed, outcome.trouble);
  }
  const { value } = outcome;
  const done = {
    ...state,
    probe: { ...probe, parts: probe.parts.length > 0 ? probe.parts : [value], ms: probe.ms ?? value.ms },
  };
  if (state.pane !== 'probes') return told(done);
  // What was asked for alone is to be seen.
  const [only, ...others] = done.probe.asked;
  if (only !== undefined && others.length === 0) {
    const head = probeContent(done, state.size.columns).heads.get(only) ?? 0;
    return { ...done, probe: { ...done.probe, scroll: clampScroll(done, head) } };
  }
  // Who has not begun to read sees what is not well.
  return probe.scroll === 0 ? choose(done, 0) : done;
}

/** To who has gone on to something else. */
function told(state: State): State {
  const steps = state.probe.parts.flatMap((part) => part.steps);
  const failed = steps.filter(({ ok }) => !ok).length;
  if (failed === 0) return say(state, 'good', 'the probes: all is well');
  return say(
    state,
    'bad',
    `the probes: ${failed} of ${count(steps.length, 'step')} not well, as the Probes pane tells`,
  );
}

/** The failing step so many further on; it is on the screen. */
export function choose(state: State, by: number): State {
  const steps = openable(state).length;
  if (steps === 0) return state;
  const chosen = (state.probe.chosen + by) % steps;
  const next = { ...state, probe: { ...state.probe, chosen, filter: '' } };
  const row = probeContent(next, state.size.columns).marks[chosen] ?? 0;
  const { body } = layoutOf(next);
  const { scroll } = next.probe;
  const isSeen = row >= scroll && row < scroll + body - 2;
  return isSeen ? next : { ...next, probe: { ...next.probe, scroll: clampScroll(next, row - Math.floor(body / 3)) } };
}

export function openStep(state: State): State {
  const step = openable(state)[state.probe.chosen];
  return step === undefined ? state : { ...state, dialog: { kind: 'step', scroll: 0, step } };
}
