/** `drydock requests`: what was asked of the service lately, and one of it in full. */
import { DrydockError } from '../../shared/core/errors.ts';
import { bytes as inBytes } from '../app/format.ts';
import { bodyText, clockTime, describeExchange, headline } from '../text/requests.ts';
import { masked } from '../engine/masked.ts';
import { maskingOf, wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

/** An ID without a container is as good as one behind it. */
const ID = /^[0-9a-f]{8}$/;

export async function requests(
  reporter: Reporter,
  first: string | undefined,
  second: string | undefined,
  given: ServiceFlags,
): Promise<number> {
  const [ref, id] =
    second === undefined && first !== undefined && ID.test(first) ? [undefined, first] : [first, second];
  return withLink(reporter, ref, given, async ({ link, flags }) => {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    if (id !== undefined) {
      const { exchange: kept } = (await link.control.call('requests.get', { id })).value;
      if (kept === null) throw unknown(id);
      const exchange = masked(kept, maskingOf(flags));
      const headers = Object.entries(exchange.headers).map(([name, value]) => `  ${name}: ${value}`);
      const asked = [
        `${clockTime(exchange.at)}  ${exchange.id}`,
        ...headers,
        '',
        bodyText(exchange.body, exchange.cut),
      ];
      reporter.answer(exchange, `${asked.join('\n')}\n\n${describeExchange(exchange)}`);
      return 0;
    }
    const { requests: kept, bytes, limit } = (await link.control.call('requests.list', { watch: false })).value;
    for (const one of kept) {
      const failed = one.failed === null ? '' : `  ${one.failed}`;
      reporter.answer(one, `${clockTime(one.at)}  ${one.id}  ${headline(one)}, ${one.size} B${failed}`);
    }
    const size = `${inBytes(bytes)} of ${inBytes(limit)}`;
    reporter.step(
      kept.length === 0 ? 'no request is known yet: send one with drydock score' : `${kept.length} kept, ${size}`,
    );
    return 0;
  });
}

export function unknown(id: string): DrydockError {
  return new DrydockError('usage', `There is no request ${id}.`, { hint: 'Those that are kept: drydock requests' });
}
