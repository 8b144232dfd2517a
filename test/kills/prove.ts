/** `npm run prove kills [SEED] [COUNT]`: the kill matrix for as long as one likes. */
import { sweep } from '../support/leftovers.ts';
import { killMatrix } from './matrix.ts';

/** Kills of one seed: a run ends with the first that finds something. */
const ROUND = 200;
const LANES = 2;

export async function proveKills(seed: number, count: number): Promise<number> {
  process.stdout.write(`seed ${seed}, ${count} kills\n`);
  await sweep();
  for (let done = 0; done < count; done += ROUND) {
    const began = performance.now();
    const round = Math.min(ROUND, count - done);
    const report = await killMatrix(seed + done, round, LANES);
    process.stdout.write(`seed ${seed + done}: ${JSON.stringify(report)} in ${seconds(began)} s\n`);
  }
  return 0;
}

const seconds = (from: number) => ((performance.now() - from) / 1_000).toFixed(1);
