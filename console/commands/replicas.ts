import { DrydockError } from '../../shared/core/errors.ts';
import { isGood } from '../../shared/core/requests.ts';
import { replicaLines, replicaReport } from '../text/replicas.ts';
import type { Reporter } from './report.ts';

export interface ReplicaFlags {
  readonly rps: number;
  readonly seconds?: number;
  /** A container. */
  readonly from?: string;
  readonly utilization: number;
  readonly perReplica: number;
}

/** `seconds` is given, or taken from what a container's service was asked lately. */
export async function replicas(reporter: Reporter, flags: ReplicaFlags): Promise<number> {
  const { rps, utilization, perReplica } = flags;
  const seconds = flags.seconds ?? (await captured(reporter, flags.from));
  const report = replicaReport({ rps, seconds, utilization, perReplica });
  if (!Number.isSafeInteger(report.replicas)) {
    throw new DrydockError('usage', `${rps} requests a second of ${seconds} s are more than can be counted.`, {
      hint: 'Check --rps and --seconds.',
    });
  }
  reporter.answer(report, replicaLines(report).join('\n'));
  return 0;
}

/** The 95th percentile of the good ones, in seconds. */
async function captured(reporter: Reporter, from: string | undefined): Promise<number> {
  if (from === undefined) {
    throw new DrydockError('usage', 'How long a request takes is not known.', {
      hint: 'Say it (--seconds 0.4), or name a container whose service was asked lately (--from debug).',
    });
  }
  const { withLink } = await import('./context.ts');
  return withLink(reporter, from, {}, async ({ link }) => {
    const { requests } = (await link.control.call('requests.list', { watch: false })).value;
    const took = requests
      .filter(isGood)
      .map(({ ms }) => ms)
      .sort((a, b) => a - b);
    const p95 = took[Math.min(took.length - 1, Math.floor(took.length * 0.95))];
    if (p95 !== undefined) {
      reporter.step(`the 95th percentile of ${took.length} captured requests: ${Math.round(p95)} ms`);
      return Math.max(p95, 1) / 1000;
    }
    throw new DrydockError('usage', `No good request to ${from} is known.`, {
      hint: 'Send some first: drydock score --data FILE --rate 5',
    });
  });
}
