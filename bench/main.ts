/** `npm run bench [FIGURE…]`: prints the figures as Markdown; docs/BENCHMARKS.md keeps them. */
import { answer } from './answer.ts';
import { attach } from './attach.ts';
import { commit } from './commit.ts';
import { burst } from './burst.ts';
import { checkout } from './checkout.ts';
import { debug } from './debug.ts';
import { edit } from './edit.ts';
import { first } from './first.ts';
import { keys } from './keys.ts';
import { large } from './large.ts';
import { probe } from './probe.ts';
import { requests } from './requests.ts';
import { repaint } from './repaint.ts';
import { rivals } from './rivals.ts';
import { table, type Figure } from './support/figures.ts';

const FIGURES: Readonly<Record<string, () => Promise<Figure[]>>> = {
  edit,
  rivals,
  repaint,
  burst,
  checkout,
  first,
  large,
  keys,
  answer,
  attach,
  commit,
  probe,
  debug,
  requests,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(FIGURES, name));
if (unknown.length > 0) {
  process.stderr.write(
    `bench: there is no figure ${unknown.join(', ')}; there are ${Object.keys(FIGURES).join(', ')}\n`,
  );
  process.exitCode = 2;
} else {
  for (const [name, measure] of Object.entries(FIGURES)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    process.stderr.write(`measuring ${name} …\n`);
    for (const figure of await measure()) process.stdout.write(`${table(figure)}\n`);
  }
}
