import { DrydockError } from '../../shared/core/errors.ts';
import type { ProbeReport } from '../../shared/core/service.ts';
import { runProbe } from '../engine/probe.ts';
import { PROBES, type ProbeName } from '../engine/view.ts';
import { describeProbe } from '../text/reload.ts';
import { readSample, wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

const NAMES: readonly ProbeName[] = [...PROBES, 'all'];

export interface ProbeFlags extends ServiceFlags {
  readonly name?: string;
  readonly modelVersion?: number;
  readonly profile?: boolean;
  /** A file. */
  readonly data?: string;
}

export async function probe(
  reporter: Reporter,
  first: string | undefined,
  second: string | undefined,
  given: ProbeFlags,
): Promise<number> {
  // `drydock probe model-path`: the container may be left out.
  const isProbe = (word: string | undefined): word is ProbeName => NAMES.some((name) => name === word);
  const [ref, name] = second === undefined && isProbe(first) ? [undefined, first] : [first, second ?? 'all'];
  if (!isProbe(name)) {
    throw new DrydockError('usage', `There is no probe called ${name}.`, {
      hint: `There are: ${NAMES.join(', ')}.`,
    });
  }
  return withLink(reporter, ref, given, async ({ place, link, flags }) => {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const question = {
      engine: place.label,
      ...(given.name === undefined ? {} : { model: given.name }),
      ...(given.modelVersion === undefined ? {} : { version: given.modelVersion }),
      ...(given.profile === true && { profile: true }),
      ...(given.data === undefined ? {} : { data: await readSample('--data', given.data) }),
    };
    const arrived = new Map<string, ProbeReport>();
    const order: ProbeName[] = name === 'all' ? [...PROBES] : [name];
    const report = await runProbe(link, name, question, (part) => {
      arrived.set(part.probe, part);
      // In their order, as soon as those before are there.
      for (let next = order[0]; next !== undefined && arrived.has(next); next = order[0]) {
        order.shift();
        const found = arrived.get(next);
        if (found === undefined || reporter.json) continue;
        reporter.say(`${name === 'all' ? `${next}\n` : ''}${describeProbe(found)}`);
      }
    });
    reporter.answer(report, '');
    return report.ok ? 0 : 1;
  });
}
