/** Two instances of Syncthing on this machine that know only each other. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { until } from '../support/live.ts';
import { addBallast } from './folders.ts';
import type { Arena } from './run.ts';

const KEY = 'blackbox';
/** Milliseconds after which what is left differing stays so. */
const PATIENCE = 60_000;

const statusSchema = z.object({ state: z.string(), needTotalItems: z.number(), sequence: z.number() });

interface Instance extends AsyncDisposable {
  readonly id: string;
  readonly address: string;
  ask(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<unknown>;
}

export async function openSyncthing(): Promise<Arena> {
  const stack = new AsyncDisposableStack();
  const base = mkdtempSync(join(tmpdir(), 'drydock-syncthing-'));
  stack.defer(() => rmSync(base, { recursive: true, force: true }));
  const folders = { host: join(base, 'host'), container: join(base, 'container') };
  for (const folder of Object.values(folders)) mkdirSync(folder);
  addBallast(folders.host);
  const host = stack.use(await start(join(base, 'first')));
  const container = stack.use(await start(join(base, 'second')));
  await pair(host, container, folders.host);
  await pair(container, host, folders.container);
  const both = [host, container] as const;
  /** Both say that nothing is left to do, and neither has found anything since they said so. */
  const quiet = async () => {
    await Promise.all(both.map((each) => each.ask('POST', 'db/scan?folder=box')));
    const look = () =>
      Promise.all(both.map(async (each) => statusSchema.parse(await each.ask('GET', 'db/status?folder=box'))));
    const before = await look();
    await sleep(500);
    const now = await look();
    return now.every(
      ({ state, needTotalItems, sequence }, n) =>
        state === 'idle' && needTotalItems === 0 && sequence === before[n]?.sequence,
    );
  };
  await until(
    'Syncthing has made both sides equal',
    async () => existsSync(join(folders.container, 'ballast/149')) && (await quiet()),
  );
  const versions = Object.values(folders).map((folder) => join(folder, '.stversions'));
  return {
    folders,
    get kept() {
      return versions.filter((folder) => existsSync(folder));
    },
    ignored: (path) => /^\.st(folder|versions)|(^|\/)\.syncthing\./.test(path),
    settle: async () => {
      const end = performance.now() + PATIENCE;
      while (!(await quiet()) && performance.now() < end);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function start(home: string): Promise<Instance> {
  await execa('syncthing', ['generate', `--home=${home}`, '--no-default-folder', '--skip-port-probing']);
  const { stdout: id } = await execa('syncthing', [`--home=${home}`, '--device-id']);
  const [gui, port] = [await freePort(), await freePort()];
  const child = execa(
    'syncthing',
    [
      ...['serve', `--home=${home}`, '--no-browser', '--no-restart', '--no-upgrade', '--no-default-folder'],
      ...[`--gui-address=127.0.0.1:${gui}`, `--gui-apikey=${KEY}`, `--logfile=${home}.log`],
    ],
    { stdio: 'ignore', reject: false },
  );
  const ask: Instance['ask'] = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${gui}/rest/${path}`, {
      method,
      headers: { 'X-API-Key': KEY },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    const text = await answer.text();
    return text === '' ? null : (JSON.parse(text) as unknown);
  };
  await until('Syncthing answers', () => ask('GET', 'system/ping').then(Boolean, () => false));
  const address = `tcp://127.0.0.1:${port}`;
  const options = (await ask('GET', 'config/options')) as object;
  await ask('PUT', 'config/options', {
    ...options,
    listenAddresses: [address],
    globalAnnounceEnabled: false,
    localAnnounceEnabled: false,
    relaysEnabled: false,
    natEnabled: false,
    urAccepted: -1,
    crashReportingEnabled: false,
  });
  return {
    id: id.trim(),
    address,
    ask,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await child;
    },
  };
}

/** The shortest delay and every version kept: as good as it can be set. */
async function pair(one: Instance, other: Instance, path: string): Promise<void> {
  const device = (await one.ask('GET', 'config/defaults/device')) as object;
  await one.ask('PUT', `config/devices/${other.id}`, {
    ...device,
    deviceID: other.id,
    addresses: [other.address],
  });
  const folder = (await one.ask('GET', 'config/defaults/folder')) as object;
  await one.ask('PUT', 'config/folders/box', {
    ...folder,
    id: 'box',
    path,
    devices: [{ deviceID: one.id }, { deviceID: other.id }],
    fsWatcherEnabled: true,
    fsWatcherDelayS: 1,
    maxConflicts: -1,
    versioning: { type: 'simple', params: { keep: '100000' } },
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
