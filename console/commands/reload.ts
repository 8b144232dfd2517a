import { describeReload } from '../text/reload.ts';
import { wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export async function reload(reporter: Reporter, ref: string | undefined, given: ServiceFlags): Promise<number> {
  return withLink(reporter, ref, given, async ({ link, flags }) => {
    // Following holds `finish` for as long as this verb runs.
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const { value } = await link.control.call('service.reload', {});
    reporter.answer(value, describeReload(value));
    return value.ok ? 0 : 1;
  });
}
