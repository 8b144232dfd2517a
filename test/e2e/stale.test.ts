/** What is served is what is on disk: saves as fast as they come, of equal size, with old times, of renamed modules. */
import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LiveContainer, Running, until, Workspace } from '../support/live.ts';

const LONGEST_BURST = 16;
/** Between two saves of a burst: less than a reload takes, about as much, more. Milliseconds. */
const GAPS = [0, 0, 5, 30, 120] as const;
/** Python writes whole seconds of a source's mtime into its bytecode. */
const OLD = new Date('2020-01-01T00:00:00Z');

/** The app as it should be served; each part has always the same size. */
class App {
  readonly #dir: string;
  readonly #random: () => number;
  readonly parts = { script: '0000', helper: '0000', module: '0000', service: '0000' };
  #moduleName = 'first';

  constructor(dir: string, random: () => number) {
    this.#dir = dir;
    this.#random = random;
    mkdirSync(join(dir, 'helpers', 'deep'), { recursive: true });
    this.#save('helpers/__init__.py', '');
    this.#save('helpers/deep/__init__.py', '');
    this.#helper();
    this.#module();
    this.#script();
    this.#config();
  }

  /** One save of somebody's editor. */
  edit(n: number): void {
    const word = String(n).padStart(4, '0');
    switch (pick(this.#random, ['script', 'script', 'helper', 'helper', 'module', 'rename', 'config'] as const)) {
      case 'script':
        this.parts.script = word;
        return this.#script();
      case 'helper':
        this.parts.helper = word;
        return this.#helper();
      case 'module':
        this.parts.module = word;
        return this.#module();
      case 'rename': {
        const old = this.#moduleName;
        this.#moduleName = old === 'first' ? 'other' : 'first';
        this.parts.module = word;
        this.#module();
        this.#script();
        return rmSync(join(this.#dir, `${old}.py`));
      }
      case 'config':
        this.parts.service = word;
        return this.#config();
    }
  }

  get expected(): string {
    const { script, helper, module, service } = this.parts;
    return `${service} ["${script}", "${helper}", "${module}"]`;
  }

  #script(): void {
    const name = this.#moduleName;
    const head = `from helpers.deep.words import helper\nimport ${name}\n\nSCRIPT = '${this.parts.script}'\n\n`;
    const body = `def init():\n    pass\n\n\ndef run(data):\n    return [SCRIPT, helper(), ${name}.MODULE]\n`;
    this.#save('score.py', head + body);
  }

  #helper(): void {
    this.#save('helpers/deep/words.py', `def helper():\n    return '${this.parts.helper}'\n`);
  }

  #module(): void {
    this.#save(`${this.#moduleName}.py`, `MODULE = '${this.parts.module}'\n`);
  }

  /** azmlinfsrv reads any config.json of the app's folder as its own. */
  #config(): void {
    this.#save('config.json', JSON.stringify({ SERVICE_NAME: this.parts.service }));
  }

  /** In place or renamed over, with the time of now or of years ago. */
  #save(path: string, text: string): void {
    const file = join(this.#dir, path);
    const isInPlace = this.#random() < 0.5;
    const written = isInPlace ? file : `${file}.tmp~`;
    writeFileSync(written, text);
    if (this.#random() < 0.3) utimesSync(written, OLD, OLD);
    if (!isInPlace) renameSync(written, file);
  }
}

test.each([
  { way: 'candidate', saves: 1_000, flags: [] },
  { way: 'trial', saves: 60, flags: ['--no-hook'] },
])('$saves saves, faster than reloads by $way: the last one of each burst is served', async ({ saves, flags }) => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const seed = Number(process.env['DRYDOCK_SEED'] ?? Date.now() % 1_000_000);
  const random = seeded(seed);
  const app = new App(workspace.app, random);
  const url = await container.scoreUrl();
  await using sync = new Running(
    ['sync', container.name, '--dir', workspace.app, '--prefer', 'host', '--json', ...flags],
    workspace,
  );
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  for (let saved = 0; saved < saves;) {
    const burst = Math.min(saves - saved, 1 + Math.floor(random() * LONGEST_BURST));
    for (let n = 0; n < burst; n++) {
      app.edit(++saved);
      const gap = pick(random, GAPS);
      if (gap > 0) await new Promise((next) => setTimeout(next, gap));
    }
    let last = '';
    const what = `seed ${seed}: after save ${saved} of ${saves} ${app.expected} is served`;
    await until(what, async () => (last = await answer(url)) === app.expected).catch((error: unknown) => {
      const told = sync.events.slice(-20).map((event) => JSON.stringify(event).slice(0, 500));
      throw new Error(`${String(error)}\nServed is ${last}\n${told.join('\n')}`, { cause: error });
    });
  }
  // Nothing comes after it that would take it back.
  const settled = sync.events.length;
  for (let n = 0; n < 20; n++) expect(await answer(url), `seed ${seed}`).toBe(app.expected);
  const later = sync.events.slice(settled).filter(({ event }) => event === 'reloaded' || event === 'reloading');
  expect(later.filter((event) => event['ok'] === false)).toEqual([]);
});

/** The name by which the service describes itself, and its answer. */
async function answer(url: string): Promise<string> {
  try {
    const described = await fetch(url.replace('/score', '/swagger.json'));
    const { info } = (await described.json()) as { info: { title: string } };
    const scored = await fetch(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
    return `${info.title} ${await scored.text()}`;
  } catch {
    return '';
  }
}

function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
