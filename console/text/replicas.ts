/** How many replicas a load needs, in numbers and in words. */
import { replicasFor, type Load } from '../../shared/core/replicas.ts';
import type { LoadResult } from '../../shared/core/requests.ts';

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

export const P95_TAKEN = 'With the 95th percentile as a request’s time:';

/** Of a load that was tried: its 95th percentile is what a request takes. Null where nothing was answered. */
export function replicasAfter(rate: number, { ms }: LoadResult): ReplicaReport | null {
  return ms === null || ms.p95 <= 0
    ? null
    : replicaReport({ rps: rate, seconds: ms.p95 / 1000, utilization: 0.7, perReplica: 1 });
}
