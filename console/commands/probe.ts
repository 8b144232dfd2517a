import { DrydockError } from '../../shared/core/errors.ts';
import { describeProbe } from '../text/reload.ts';
import { wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

const PROBES = ['model-path'] as const;

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
  const isProbe = (word: string | undefined) => PROBES.some((name) => name === word);
  const [ref, name] = second === undefined && isProbe(first) ? [undefined, first] : [first, second ?? 'model-path'];
  if (!isProbe(name)) {
    throw new DrydockError('usage', `There is no probe called ${name ?? ''}.`, {
      hint: `There is: ${PROBES.join(', ')}.`,
    });
  }
  return withLink(reporter, ref, given, async ({ link, flags }) => {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const { value } = await link.control.call('probe.run', {
      name: 'model-path',
      ...(given.name === undefined ? {} : { model: given.name }),
      ...(given.modelVersion === undefined ? {} : { version: given.modelVersion }),
    });
    reporter.answer(value, describeProbe(value));
    return value.ok ? 0 : 1;
  });
}
