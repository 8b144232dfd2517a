/** `npm run prove blackbox`: the black box for as long as one likes, and beside it what others do in the same case. */
import { execa } from 'execa';
import { openContainer } from './container.ts';
import { openFolders } from './folders.ts';
import { EVERYTHING, type Traits } from './operations.ts';
import { blackbox, type Arena, type Report } from './run.ts';
import { openSyncthing } from './syncthing.ts';
import { openUnison } from './unison.ts';

/** Operations of each side in a run. */
const COUNT = 1_500;
/** What all of them say that they can do. */
const COMMON: Traits = { late: false, old: false, long: false };

interface Contender {
  readonly name: string;
  readonly open: () => Promise<Arena>;
  readonly traits: Traits;
  /** The program to be installed. */
  readonly needs?: string;
}

const OURS: readonly Contender[] = [
  { name: 'two folders', open: openFolders, traits: EVERYTHING },
  { name: 'a container', open: openContainer, traits: EVERYTHING },
];

const RIVALS: readonly Contender[] = [
  { name: 'Drydock', open: openFolders, traits: COMMON },
  { name: 'Unison', open: openUnison, traits: COMMON, needs: 'unison' },
  { name: 'Syncthing', open: openSyncthing, traits: COMMON, needs: 'syncthing' },
];

/** The exit code: 1 when Drydock did anything wrong. */
export async function proveBlackbox(seed: number, runs: number, rivals: boolean): Promise<number> {
  process.stdout.write(
    '| who | seed | operations | tokens | lost | only kept | at two paths | unequal | copies | to quiet, s |\n' +
      '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n',
  );
  let bad = false;
  for (let n = seed; n < seed + runs; n++) {
    for (const { name, open, traits, needs } of rivals ? RIVALS : OURS) {
      if (needs !== undefined && (await execa('which', [needs], { reject: false })).exitCode !== 0) {
        process.stdout.write(`| ${name}: ${needs} is not installed |\n`);
        continue;
      }
      await using arena = await open();
      const report = await blackbox(arena, n, COUNT, traits);
      process.stdout.write(row(name, n, report));
      if (needs !== undefined) continue;
      bad ||= report.faults.length > 0;
      for (const fault of report.faults) process.stdout.write(`${fault}\n`);
    }
  }
  return bad ? 1 : 0;
}

function row(name: string, seed: number, report: Report): string {
  const { done, written, lost, onlyKept, duplicated, differences, copies, quiet } = report;
  const numbers = [done, written, lost.length, onlyKept.length, duplicated.length, differences.length, copies];
  return `| ${name} | ${[seed, ...numbers].join(' | ')} | ${(quiet / 1_000).toFixed(1)} |\n`;
}
