import { watchBoot, type Boot } from '../engine/boot.ts';
import { reviveContainer, type Ended, type Revived } from '../engine/revive.ts';
import { imageName } from '../engine/revived-labels.ts';
import { openKit } from '../kit/kit.ts';
import { describeCrash } from '../text/crash.ts';
import { chooseEnded, kitDir, openPlace } from './context.ts';
import type { Reporter } from './report.ts';

export interface ReviveFlags {
  /** Seconds. */
  readonly wait: number;
  /** The folder on this machine, for the console. */
  readonly dir?: string;
}

export async function revive(reporter: Reporter, named: string | undefined, flags: ReviveFlags): Promise<number> {
  const from = performance.now();
  const kit = await openKit(kitDir());
  const place = await openPlace();
  try {
    const ref = await chooseEnded(place, named);
    const revived = await reviveContainer(place, ref, {
      kit,
      onStep: (step) => reporter.step(`${step} …`),
      onEnded: (ended) => reporter.step(describeEnd(ended)),
    });
    if (revived === null) {
      reporter.answer({ container: ref, revived: false }, `${ref} answers: there is nothing to revive.`);
      return 0;
    }
    if (!reporter.json && process.stdin.isTTY && process.stdout.isTTY) {
      const { attach } = await import('./attach.ts');
      return await attach(reporter, revived.name, flags.dir === undefined ? {} : { dir: flags.dir });
    }
    const urls = urlsOf(revived);
    const boot = await watchBoot(place, revived.target, { ...urls, kit, waitMs: flags.wait * 1000 });
    return report(reporter, revived, urls, boot, Math.round(performance.now() - from));
  } finally {
    await place.close();
  }
}

function describeEnd({ name, cause, exitCode, outOfMemory }: Ended): string {
  const how = exitCode === null ? '' : ` (exit code ${exitCode})`;
  const memory = outOfMemory ? ', killed by the kernel for memory' : '';
  return [
    `${name} ended${how}${memory}: ${describeCrash(cause.stage, cause.error)}`,
    `Its whole log: docker logs ${name}`,
  ].join('\n');
}

interface Urls {
  readonly scoreUrl: string | null;
  readonly healthUrl: string | null;
}

/** Of the first port that is published and not known to be another service's. */
function urlsOf({ facts }: Revived): Urls {
  const others = [5678, 8883, 8888];
  const mapping =
    facts.ports.find(({ container }) => container === 5001) ??
    facts.ports.find(({ container }) => !others.includes(container));
  const url = mapping === undefined ? null : `http://127.0.0.1:${mapping.host}`;
  return { scoreUrl: url && `${url}/score`, healthUrl: url && `${url}/` };
}

/** Whether its service answers or is held, the container lives: that was asked for. */
function report(reporter: Reporter, { old, id, name, facts }: Revived, urls: Urls, boot: Boot, ms: number): number {
  const { stage, error, alive } = boot;
  const crash = {
    ...old.cause,
    exitCode: old.exitCode,
    outOfMemory: old.outOfMemory,
    log: `docker logs ${old.name}`,
  };
  const from = { container: old.id, name: old.name };
  const now =
    error === undefined
      ? `✓ ${name} answers`
      : alive
        ? `${name} holds its service: ${describeCrash(stage, { ...error, traceback: null })}`
        : `✗ ${name} ended as well: ${describeCrash(stage, error)}`;
  reporter.answer(
    {
      container: id,
      name,
      image: imageName(facts),
      ...urls,
      revived: true,
      from,
      crash,
      stage,
      ms,
      alive,
      ...(error && { error }),
    },
    `${now}\n${old.name} stays as it is.\n  next: drydock attach ${name}`,
  );
  return alive ? 0 : 1;
}
