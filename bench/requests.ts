/**
 * What captured requests cost the service that answers them, and a request by the console beside one by a client of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { request as open } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import { ask, publishedAt, type Reach } from '../console/engine/ask.ts';
import { openLink } from '../console/engine/link.ts';
import { openKit } from '../console/kit/kit.ts';
import { openDocker } from '../console/place/docker/docker.ts';
import { median, quantile, timed, type Figure } from './support/figures.ts';
import { engineOptions, scene, syncing, untilAnswer, type Scene } from './support/scene.ts';

const ROUNDS = 3_000;
const SCORES = 400;
const BODY = Buffer.from('{"data": [1]}');
const TRIVIAL = (word: string) => `def init():\n    pass\n\n\ndef run(data):\n    return '${word}'\n`;
/** Of a tick in /proc/PID/stat. */
const TICK_MS = 10;

export async function requests(): Promise<Figure[]> {
  return [await capturing(), await scoring()];
}

/**
 * Without warm masters, whose imports would count for one side and not for the other. Two containers that do the same differ,
 * too: so there is one more without capture.
 */
async function capturing(): Promise<Figure> {
  await using off = await scene();
  await using on = await scene();
  await using other = await scene();
  await using _off = await syncing(off, '--no-warm', '--no-capture');
  await using _on = await syncing(on, '--no-warm');
  await using _other = await syncing(other, '--no-warm', '--no-capture');
  const sides = [off, on, other].map((at) => ({ at, samples: [] as number[] }));
  for (const { at } of sides) {
    await serveTrivial(at);
    for (let n = 0; n < 200; n++) await post(at.scoreUrl); // its bucket is empty then, as under any load
  }
  const before = await Promise.all(sides.map(({ at }) => cpuOf(at.name)));
  for (let n = 0; n < ROUNDS; n++) {
    for (const { at, samples } of [...sides.slice(n % 3), ...sides.slice(0, n % 3)]) {
      samples.push(await timed(() => post(at.scoreUrl)));
    }
  }
  const [one, captured, two] = sides.map(({ samples }) => samples) as [number[], number[], number[]];
  const each = await Promise.all(sides.map(async ({ at }, side) => spent(before[side], await cpuOf(at.name))));
  const rate = (samples: readonly number[]) => (1000 / median(samples)).toFixed(0);
  const less = (than: readonly number[], samples: readonly number[]) =>
    `${((1 - median(than) / median(samples)) * 100).toFixed(1)} %`;
  return {
    title: 'A trivial run() through azmlinfsrv, its requests captured and not',
    series: [
      { name: 'not captured, both', samples: [...one, ...two] },
      { name: 'captured', samples: captured },
    ],
    target: 'at most 2 % of the throughput',
    text:
      `One client, ${rate([...one, ...two])} requests a second without and ${rate(captured)} with it: ` +
      `${less([...one, ...two], captured)}; between the two without it ${less(one, two)}. ` +
      `Processor time of gunicorn’s processes for a request: ${each.join(', ')} (the second captures).`,
  };
}

async function scoring(): Promise<Figure> {
  await using on = await scene();
  await using _sync = await syncing(on);
  await serveTrivial(on);
  const place = await openDocker({ env: process.env });
  const target = await place.open(on.name);
  const container = await target.facts();
  const link = await openLink({
    target,
    container,
    kit: await openKit(engineOptions(on).kitDir),
    onStep: () => undefined,
    onEvent: () => undefined,
    bulkService: {},
  });
  try {
    const { value: state } = await link.control.call('service.state', {});
    const reach = { peer: link.control, published: publishedAt({ container, agent: link.facts, service: state }) };
    if (reach.published === null) throw new Error('the service is not published');
    const [bare, drydock]: [number[], number[]] = [[], []];
    for (let n = 0; n < SCORES; n++) {
      // Each begins when worker and agent are done with the one before.
      bare.push(await timed(() => post(on.scoreUrl)));
      await link.control.call('requests.list', { watch: false });
      let kept: Promise<unknown> | undefined;
      drydock.push(await timed(async () => ({ kept } = await scored(reach))));
      await kept;
    }
    const more = (q: number) => (quantile(drydock, q) - quantile(bare, q)).toFixed(2);
    return {
      title: 'A request by the console, over a link that is held',
      series: [
        { name: 'bare HTTP to the published port', samples: bare },
        { name: 'drydock score', samples: drydock },
      ],
      target: 'at most 2 ms more, median and p95',
      text: `${more(0.5)} ms more at the median, ${more(0.95)} ms at p95.`,
    };
  } finally {
    link.close();
    await place.close();
  }
}

/** The second time by a master that is warm, or still as it was: the same on either side. */
async function serveTrivial(at: Scene): Promise<void> {
  for (const word of ['first', 'second']) {
    writeFileSync(join(at.dir, 'score.py'), TRIVIAL(word));
    await untilAnswer(at.scoreUrl, (body) => body.includes(word));
  }
}

/** Resolves as soon as the exchange is there; what goes on behind it is given. */
async function scored(reach: Reach): Promise<{ readonly kept: Promise<unknown> }> {
  const request = {
    method: 'POST',
    path: '/score',
    query: '',
    headers: { 'content-type': 'application/json' },
    body: BODY.toString('base64'),
  };
  const { exchange, kept } = await ask(reach, request, { source: 'score', timeoutMs: 60_000 });
  if (exchange.status !== 200) throw new Error(`the service answered ${exchange.status}`);
  return { kept };
}

function post(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': BODY.length };
    open(url, { method: 'POST', agent: false, headers }, (answer) => {
      answer.resume().once('end', resolve).once('error', reject);
      if (answer.statusCode !== 200) reject(new Error(`the service answered ${answer.statusCode ?? 0}`));
    })
      .once('error', reject)
      .end(BODY);
  });
}

/** Milliseconds of the processor that each of gunicorn’s processes has had. */
async function cpuOf(name: string): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await execa('docker', ['top', name, '-eo', 'pid,args']);
  const pids = stdout.split('\n').flatMap((line) => /^\s*(\d+) .*(?:gunicorn|azmlinfsrv)/.exec(line)?.[1] ?? []);
  const times = pids.map((pid): [string, number] => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return [pid, (Number(fields[11]) + Number(fields[12])) * TICK_MS];
  });
  return new Map(times);
}

/** For a request. A worker of before may still have been ending at the first look. */
function spent(before: ReadonlyMap<string, number> | undefined, after: ReadonlyMap<string, number>): string {
  const all = [...after].reduce((sum, [pid, ms]) => sum + ms - (before?.get(pid) ?? 0), 0);
  return `${((all / ROUNDS) * 1000).toFixed(0)} µs`;
}
