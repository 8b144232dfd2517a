/**
 * `npm run prove [SEED] [RUNS]`: the planner's laws and the simulator for as long as one likes. `--trace` tells the life
 * of one seed in words. `npm run prove kills [SEED] [COUNT]`: the kill matrix. `npm run prove blackbox [SEED] [RUNS]`: the
 * black box, which `--rivals` runs with others too. Both need an engine.
 */
import fc from 'fast-check';
import { proveBlackbox } from './blackbox/prove.ts';
import { proveKills } from './kills/prove.ts';
import { simulate } from './simulator/simulation.ts';
import { anyTriple } from './support/trees.ts';
import { checkLaws } from './unit/sync/laws.ts';

const args = process.argv.slice(2);
const numbers = args.filter((arg) => /^\d+$/.test(arg));
const trace = args.includes('--trace');
const seed = Number(numbers[0] ?? Math.floor(Math.random() * 2 ** 31));

const runs = (otherwise: number) => Number(numbers[1] ?? otherwise);

process.exitCode = await prove();

function prove(): Promise<number> {
  switch (args[0]) {
    case 'kills':
      return proveKills(seed, runs(1_000));
    case 'blackbox':
      return proveBlackbox(seed, runs(10), args.includes('--rivals'));
    default:
      return proveModel(seed, runs(trace ? 1 : 20_000));
  }
}

async function proveModel(seed: number, runs: number): Promise<number> {
  process.stdout.write(`seed ${seed}, ${runs} runs\n`);
  if (!trace) {
    const triples = 20 * runs;
    fc.assert(fc.property(anyTriple({ withOpaque: true }), checkLaws), { seed, numRuns: triples });
    process.stdout.write(`${triples} triples keep the planner's laws\n`);
  }
  const counts: Record<string, number> = {};
  const bad: number[] = [];
  const began = performance.now();
  for (let n = 0; n < runs; n++) {
    const report = await simulate(seed + n, { trace });
    for (const [what, times] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + times;
    if (trace) process.stdout.write(report.lines.join(''));
    if (report.violations.length === 0) continue;
    bad.push(report.seed);
    process.stdout.write(`seed ${report.seed}:\n${report.violations.map((each) => `  ${each}\n`).join('')}`);
  }
  const took = (performance.now() - began) / 1_000;
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  process.stdout.write(`${runs} runs in ${took.toFixed(1)} s, ${bad.length} of them bad: ${bad.join(' ')}\n`);
  return bad.length === 0 ? 0 : 1;
}
