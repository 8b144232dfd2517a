/** A black box run: programs work in both folders at once, then it is waited for quiet, then the ledger is checked. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Side } from '../../shared/core/sync/tree.ts';
import { judge, whose, type Account, type Verdict } from './ledger.ts';
import { EVERYTHING, operations, type Traits } from './operations.ts';

/** Two folders that something keeps equal. */
export interface Arena extends AsyncDisposable {
  readonly folders: Readonly<Record<Side, string>>;
  /** Where what was overwritten or deleted by synchronisation is kept. */
  readonly kept: readonly string[];
  /** What of the folders is not synchronised. */
  readonly ignored?: (path: string) => boolean;
  /** Until all that was done is synchronised. */
  settle(): Promise<void>;
}

export interface Report extends Verdict {
  /** Operations that took place. */
  readonly done: number;
  readonly failed: number;
  /** Milliseconds. */
  readonly worked: number;
  readonly quiet: number;
  /** What is wrong, with what to repeat it by; empty when all is well. */
  readonly faults: readonly string[];
}

const ACTOR = fileURLToPath(new URL('actor.ts', import.meta.url));

export async function blackbox(
  arena: Arena,
  seed: number,
  count: number,
  traits: Traits = EVERYTHING,
): Promise<Report> {
  const start = performance.now();
  const accounts = await work(arena, seed, count, traits);
  const ended = performance.now();
  await arena.settle();
  const quiet = performance.now() - ended;
  const verdict = judge(accounts, arena.folders, arena.kept, arena.ignored);
  const loss = (token: string) => {
    const { side, index } = whose(token);
    return `lost: ${token} of ${side}, ${JSON.stringify([...operations(seed, side, count, traits)][index])}`;
  };
  const failures = accounts.flatMap(({ failed }) => Object.values(failed));
  return {
    ...verdict,
    done: accounts.reduce((sum, { done }) => sum + done, 0),
    failed: failures.reduce((sum, times) => sum + times, 0),
    worked: ended - start,
    quiet,
    faults: [...verdict.lost.map(loss), ...verdict.differences.map((each) => `differs: ${each}`)].map(
      (fault) => `seed ${seed}, ${count} operations a side: ${fault}`,
    ),
  };
}

async function work({ folders }: Arena, seed: number, count: number, traits: Traits): Promise<Account[]> {
  const actors = (['host', 'container'] as const).map((side) => {
    const words = [folders[side], side, String(seed), String(count), JSON.stringify(traits)];
    const child = spawn(process.execPath, [ACTOR, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    const closed = once(child, 'close');
    return { child, ready: Promise.race([once(child.stdout, 'data'), closed]), closed, out: () => out };
  });
  await Promise.all(actors.map(({ ready }) => ready));
  for (const { child } of actors) child.stdin.end();
  return Promise.all(
    actors.map(async ({ closed, out }) => {
      const [code] = (await closed) as [number | null];
      if (code !== 0) throw new Error(`seed ${seed}: a program ended with ${String(code)}: ${out()}`);
      return JSON.parse(out().replace('ready\n', '')) as Account;
    }),
  );
}
