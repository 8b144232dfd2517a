/**
 * The kill matrix: console, agent, and each of the two bridges between them are killed at moments that a seed decides, while
 * users edit on both sides of a real container. A console is started again, otherwise it is left to find its way back. Now
 * and then the users rest: then both sides must become equal, nothing may be lost, and nothing of ours may be left.
 */
import { setTimeout as moment } from 'node:timers/promises';
import type { Inside } from './hand.ts';
import { Pair } from './pair.ts';

/** Kills between two rests. */
const STRETCH = 25;

type Victim = 'console' | Inside;
/** As often as each is here. */
const VICTIMS: readonly Victim[] = ['console', 'console', 'agent', 'agent', 'control', 'bulk'];

export interface Report extends Readonly<Record<Victim, number>> {
  readonly writes: number;
  readonly rests: number;
}

/** `lanes` containers at a time: most of a kill's time is waiting. */
export async function killMatrix(seed: number, kills: number, lanes: number): Promise<Report> {
  const each = Math.ceil(kills / lanes);
  const reports = await Promise.all(Array.from({ length: lanes }, (_, lane) => killLane(seed + lane, each)));
  return reports.reduce((sum, report) => ({
    console: sum.console + report.console,
    agent: sum.agent + report.agent,
    control: sum.control + report.control,
    bulk: sum.bulk + report.bulk,
    writes: sum.writes + report.writes,
    rests: sum.rests + report.rests,
  }));
}

async function killLane(seed: number, kills: number): Promise<Report> {
  await using pair = await Pair.start({ seed });
  await using killer = pair.newHand('0');
  const { chance, users } = pair;
  const died: Record<Victim, number> = { console: 0, agent: 0, control: 0, bulk: 0 };
  let killed = 0;
  let rests = 0;
  try {
    for (let n = 1; n <= kills; n++) {
      if (n % STRETCH === 1) users.start();
      const victim = chance.pick(VICTIMS);
      // Sometimes in the middle of finding together, mostly in the middle of the edits' travels.
      const early = chance.chance(0.4);
      if (!early) await pair.travelled(chance.int(1, 5));
      if (victim !== 'console') {
        // A console that never had an agent takes its death for an answer, and says so.
        await pair.heard(({ event }) => event === 'synced');
        await killer.do({ do: 'kill', what: victim, after: chance.int(0, early ? 300 : 15) });
      } else {
        await moment(chance.int(0, early ? 600 : 15));
        pair.console.kill('SIGKILL');
        await pair.console.exited;
        pair.begin();
      }
      died[victim]++;
      killed++;
      if (n % STRETCH !== 0 && n !== kills) continue;
      await pair.settled();
      rests++;
    }
    await pair.quit();
    return { ...died, writes: pair.ledger.writes, rests };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}, after ${killed} kills: ${text}`, { cause: error });
  } finally {
    await users.rest();
  }
}
