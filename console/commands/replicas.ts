import { DrydockError } from '../../shared/core/errors.ts';
import { replicasFor, type Load } from '../../shared/core/replicas.ts';
import { isGood } from '../../shared/core/requests.ts';
import type { Reporter } from './report.ts';

export interface ReplicaFlags {
  readonly rps: number;
  readonly seconds?: number;
  /** A container. */
  readonly from?: string;
  readonly utilization: number;
  readonly perReplica: number;
}

export interface ReplicaReport extends Load {
  readonly replicas: number;
  readonly v1: Readonly<Record<string, number>>;
  readonly v2: Readonly<Record<string, unknown>>;
}

/** How many replicas a load needs, in the names of v1 (AKS) and v2 (online endpoints). */
export function replicaReport({ rps, seconds, utilization, perReplica }: Load): ReplicaReport {
  const count = replicasFor({ rps, seconds, utilization, perReplica });
  return {
    rps,
    seconds,
    utilization,
    perReplica,
    replicas: count,
    v1: {
      autoscale_min_replicas: count,
      // The same room once more above the peak: as many as would be busy to that part if all were needed.
      autoscale_max_replicas: Math.ceil(count / utilization),
      // Azure wants a percentage where v1 has it.
      autoscale_target_utilization: Math.round(utilization * 100),
      replica_max_concurrent_requests: perReplica,
    },
    v2: {
      instance_count: count,
      request_settings: { max_concurrent_requests_per_instance: perReplica },
      environment_variables: { WORKER_COUNT: String(perReplica) },
    },
  };
}

export function replicaLines({
  rps,
  seconds,
  utilization,
  perReplica,
  replicas,
  v1,
}: ReplicaReport): readonly string[] {
  const percent = Math.round(utilization * 100);
  const took = Number(seconds.toPrecision(3));
  return [
    `${replicas} replica${replicas === 1 ? '' : 's'}: ${rps} requests a second × ${took} s ÷ (${perReplica} at once × ${percent} % busy), rounded up.`,
    '',
    'v1, AksWebservice.deploy_configuration(…):',
    ...Object.entries(v1).map(([name, value]) => `  ${name}=${value},`),
    '',
    'v2, deployment.yml of an online endpoint:',
    `  instance_count: ${replicas}`,
    '  request_settings:',
    `    max_concurrent_requests_per_instance: ${perReplica}`,
    '  environment_variables:',
    `    WORKER_COUNT: "${perReplica}"`,
    '',
    'A larger burst than that still meets 503 (v1) or 429 (v2): new replicas take minutes.',
  ];
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
