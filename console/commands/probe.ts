import { DrydockError } from '../../shared/core/errors.ts';
import { runProbe } from '../engine/probe.ts';
import { PROBES, type ProbeName } from '../engine/view.ts';
import { describeProbe } from '../text/reload.ts';
import { wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

const NAMES: readonly ProbeName[] = [...PROBES, 'all'];

export interface ProbeFlags extends ServiceFlags {
  readonly name?: string;
  readonly modelVersion?: number;
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
  return withLink(reporter, ref, given, async ({ link, flags }) => {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const question = {
      ...(given.name === undefined ? {} : { model: given.name }),
      ...(given.modelVersion === undefined ? {} : { version: given.modelVersion }),
    };
    const report = await runProbe(link, name, question, (part) => {
      if (!reporter.json) reporter.say(`${name === 'all' ? `${part.probe}\n` : ''}${describeProbe(part)}`);
    });
    reporter.answer(report, '');
    return report.ok ? 0 : 1;
  });
}
