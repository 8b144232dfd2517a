/** `npm run prove [SEED] [RUNS]`: the simulator for as long as one likes. `--trace` tells one seed's life in words. */
import { simulate } from './simulator/simulation.ts';

const numbers = process.argv.slice(2).filter((arg) => /^\d+$/.test(arg));
const trace = process.argv.includes('--trace');
const seed = Number(numbers[0] ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(numbers[1] ?? (trace ? 1 : 20_000));

process.stdout.write(`seed ${seed}, ${runs} runs\n`);
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
process.exitCode = bad.length === 0 ? 0 : 1;
