import { DrydockError } from '../../shared/core/errors.ts';
import { replicasFor } from '../../shared/core/replicas.ts';
import type { Reporter } from './report.ts';

export interface ReplicaFlags {
  readonly rps: number;
  readonly seconds: number;
  readonly utilization: number;
  readonly perReplica: number;
}

/** How many replicas a load needs, in the names of v1 (AKS) and v2 (online endpoints). */
export function replicas(reporter: Reporter, flags: ReplicaFlags): Promise<number> {
  const { rps, seconds, utilization, perReplica } = flags;
  const count = replicasFor(flags);
  if (!Number.isSafeInteger(count)) {
    throw new DrydockError('usage', `${rps} requests a second of ${seconds} s are more than can be counted.`, {
      hint: 'Check --rps and --seconds.',
    });
  }
  // Azure wants a percentage where v1 has it.
  const percent = Math.round(utilization * 100);
  // The same room once more above the peak: as many as would be busy to that part if all were needed.
  const v1 = {
    autoscale_min_replicas: count,
    autoscale_max_replicas: Math.ceil(count / utilization),
    autoscale_target_utilization: percent,
    replica_max_concurrent_requests: perReplica,
  };
  const v2 = {
    instance_count: count,
    request_settings: { max_concurrent_requests_per_instance: perReplica },
    environment_variables: { WORKER_COUNT: String(perReplica) },
  };
  reporter.answer(
    { rps, seconds, utilization, perReplica, replicas: count, v1, v2 },
    [
      `${count} replica${count === 1 ? '' : 's'}: ${rps} requests a second × ${seconds} s ÷ (${perReplica} at once × ${percent} % busy), rounded up.`,
      '',
      'v1, AksWebservice.deploy_configuration(…):',
      ...Object.entries(v1).map(([name, value]) => `  ${name}=${value},`),
      '',
      'v2, deployment.yml of an online endpoint:',
      `  instance_count: ${count}`,
      '  request_settings:',
      `    max_concurrent_requests_per_instance: ${perReplica}`,
      '  environment_variables:',
      `    WORKER_COUNT: "${perReplica}"`,
      '',
      'A larger burst than that still meets 503 (v1) or 429 (v2): new replicas take minutes.',
    ].join('\n'),
  );
  return Promise.resolve(0);
}
