import { watchBoot, type Boot } from '../engine/boot.ts';
import { runImage, type Started } from '../engine/run.ts';
import { openKit } from '../kit/kit.ts';
import { describeCrash } from '../text/crash.ts';
import { kitDir, openPlace } from './context.ts';
import type { Reporter } from './report.ts';

export interface RunFlags {
  readonly name: string;
  readonly port: number;
  readonly debugPort?: number;
  /** Seconds. */
  readonly wait: number;
  readonly json?: boolean;
  /** The folder on this machine, for the console. */
  readonly dir?: string;
}

export async function run(reporter: Reporter, image: string, flags: RunFlags): Promise<number> {
  const from = performance.now();
  const kit = await openKit(kitDir());
  const place = await openPlace();
  try {
    const { name, port, debugPort } = flags;
    const started = await runImage(place, {
      image,
      name,
      port,
      kit,
      ...(debugPort === undefined ? {} : { debugPort }),
    });
    if (!reporter.json && process.stdin.isTTY && process.stdout.isTTY) {
      const { attach } = await import('./attach.ts');
      return await attach(reporter, started.name, flags.dir === undefined ? {} : { dir: flags.dir });
    }
    reporter.step(`${started.name} runs; waiting for its first answer …`);
    const target = await place.open(started.id, { stopped: true });
    const boot = await watchBoot(place, target, { healthUrl: started.healthUrl, kit, waitMs: flags.wait * 1000 });
    return report(reporter, started, boot, Math.round(performance.now() - from));
  } finally {
    await place.close();
  }
}

function report(reporter: Reporter, { id, ...started }: Started, boot: Boot, ms: number): number {
  const { stage, error, alive, log } = boot;
  const { name, scoreUrl } = started;
  const answer = { container: id, ...started, stage, ms };
  if (error === undefined) {
    reporter.answer(answer, `✓ ${name} serves on ${scoreUrl} after ${ms} ms\n  next: drydock attach ${name}`);
    return 0;
  }
  const next = alive
    ? `The container lives. Save the mend while attached and the service starts: drydock attach ${name}`
    : `The container has ended: drydock revive ${name}`;
  const words = error.traceback === null ? ['', ...log] : [];
  reporter.answer(
    { ...answer, error, alive, log },
    [`✗ ${name}: ${describeCrash(stage, error)}`, ...words, '', next].join('\n'),
  );
  return 1;
}
