/**
 * Frames of the protocol from a hostile peer, with paths that lead elsewhere and trees that cannot be: nothing outside
 * the root is read or written, at either end, and the process lives on.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { EndpointRouter, RemoteEndpoint } from '../../../console/engine/remote-endpoint.ts';
import { systemClock } from '../../../console/engine/sync/clock.ts';
import { createSyncSession } from '../../../console/engine/sync/driver.ts';
import { SyncStore } from '../../../console/engine/sync/store.ts';
import type { EventValue, MethodName, Params, Result, WireNode } from '../../../shared/core/protocol.ts';
import { compileIgnore } from '../../../shared/core/sync/ignore.ts';
import { openDisk } from '../../../shared/disk/disk.ts';
import { WithAttached, type Peer, type Service } from '../../../shared/link/peer.ts';
import { isName } from '../../../shared/link/wire-tree.ts';
import { file } from '../../contract/endpoint.ts';
import { agent, peerTo, remote } from '../../support/agent.ts';
import { Canary, SECRET } from '../../support/canary.ts';
import { folder, swapper } from '../../support/disk.ts';
import { anyName, anyPath, anySample } from '../../support/hostile.ts';
import { peerPair } from '../../support/link-pair.ts';
import { identity } from '../../support/sync-pair.ts';

/** A root with links that lead out, one of them in a folder's place at times. */
function lure(root: string, outside: string): void {
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/x`, SECRET);
  writeFileSync(`${root}/a`, 'a');
  symlinkSync('../secret', `${root}/out`);
  symlinkSync(outside, `${root}/abs`);
  symlinkSync(outside, `${root}/d/out`);
  mkdirSync(`${root}/swap`);
  writeFileSync(`${root}/swap/x`, SECRET);
}

/** True when the path names a file of the root, by itself and not by a link or by going up. */
function isIn(root: string, path: string): boolean {
  return !path.split('/').includes('..') && realpathSync(`${root}/${path}`) === join(root, path);
}

const entry = (base: string): fc.Arbitrary<Params<'sync.apply'>['changes'][number]['before']> =>
  fc.oneof(
    fc.constantFrom(
      null,
      file('new'),
      file(SECRET),
      file('a'),
      { kind: 'dir' as const },
      { ...file('new'), size: 2 ** 50 },
    ),
    anyPath(base).map((target) => ({ kind: 'link' as const, target })),
  );

test('4,000 paths to an agent', async () => {
  const made = await agent();
  const { base, root } = made;
  const canary = new Canary(base);
  lure(root, canary.folder);
  const swap = await swapper(`${root}/swap`, canary.folder);
  const session = randomUUID();
  const control = await peerTo(made.socket, { session });
  await control.hello;
  const bulk = await peerTo(
    made.socket,
    { session, role: 'bulk' },
    { open: () => Promise.reject(new Error('no more content')) },
  );
  await bulk.hello;
  const { value } = await control.call('sync.open', { root, rules: ['*.ign'] });
  const { endpoint } = value;
  await control.call('sync.scan', { endpoint });

  const change = fc.record({ path: anyPath(base), before: entry(base), after: entry(base) });
  const { frames: batches, seed } = anySample(fc.array(change, { minLength: 5, maxLength: 5 }), 500);
  const inline = ['new', SECRET, 'a'].map((text, data) => ({ digest: file(text).digest, data }));
  const attached = ['new', SECRET, 'a'].map((text) => Buffer.from(text));
  for (const changes of batches) {
    const { value: answer } = await control.call('sync.apply', { endpoint, changes, inline }, { attached });
    for (const outcome of answer.outcomes) {
      const inside = changes.some(
        ({ path }) => path === outcome.path && !path.split('/').some((part) => ['', '.', '..'].includes(part)),
      );
      if (outcome.result === 'done') expect(inside, `${outcome.path} of seed ${seed}`).toBe(true);
    }
  }
  const { frames: paths } = anySample(anyPath(base), 1_500);
  for (const path of paths) {
    const { stream } = await bulk.open('read', { endpoint, path, digest: file(SECRET).digest });
    const bytes = Buffer.concat((await stream.toArray()) as Buffer[]).toString();
    // In the root lie files of the same content, which may be read; where `swap` leads changes all the time.
    if (bytes !== '' && path !== 'swap/x') expect(isIn(root, path), `${path} of seed ${seed}`).toBe(true);
  }
  await control.call('sync.release', { endpoint, held: paths.map((path) => path.slice(0, 128)) });

  for (const name of anySample(anyPath(base), 100).frames) {
    const { stream } = await bulk.open('model', { name: 'm', folder: `${root}/azureml-models` });
    const tar = pack();
    tar.on('error', () => undefined);
    stream.on('error', () => undefined);
    const over = stream.last.catch(() => undefined);
    tar.pipe(stream);
    tar.entry({ name: 'model.bin', type: 'directory' });
    const isFile = name.length % 2 === 0;
    if (isFile) tar.entry({ name: `model.bin/${name}` }, 'planted');
    else tar.entry({ name: `model.bin/${name.slice(0, 90)}`, type: 'symlink', linkname: '../../../../secret' });
    tar.finalize();
    stream.resume();
    await over;
  }
  // Where a console's folder lies is its own word; but never relative to where the agent happens to stand.
  for (const path of anySample(anyPath(base), 300).frames.filter((each) => !each.startsWith('/'))) {
    await expect(control.call('sync.open', { root: path, rules: [] }), `seed ${seed}`).rejects.toThrow();
  }
  await swap.stop();
  expect(canary.differences(), `seed ${seed}`).toEqual([]);
  expect(made.program.isAlive).toBe(true);
  await (await remote(made)).scan();
});

const digest = fc.constantFrom(file('').digest, file('a').digest, file(SECRET).digest, 'f'.repeat(64));
const size = fc.constantFrom(0, 1, SECRET.length, 60_000, 2 ** 40, Number.MAX_SAFE_INTEGER);

const anyNode = (base: string, name: fc.Arbitrary<string>): fc.Arbitrary<WireNode> =>
  fc.letrec<{ node: WireNode }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: false },
      fc.record({ kind: fc.constant('file' as const), digest, size, exec: fc.boolean() }),
      fc.constantFrom(file('a'), file(SECRET)),
      anyPath(base).map((target) => ({ kind: 'link' as const, target })),
      fc
        .constantFrom('unreadable' as const, 'mount' as const, 'name' as const, 'busy' as const)
        .map((reason) => ({ kind: 'opaque' as const, reason })),
      fc.array(fc.tuple(name, tie('node')), { maxLength: 4 }).map((children) => ({ kind: 'dir' as const, children })),
    ),
  })).node;

/** An agent that answers as it likes, and tells what it likes. */
interface Lie {
  readonly tree: WireNode;
  readonly left: Result<'sync.left'>['left'];
  readonly outcomes: readonly Result<'sync.apply'>['outcomes'][number][];
  readonly changes: EventValue<'sync.changes'>['changes'];
}

const anyLie = (base: string, name: fc.Arbitrary<string>): fc.Arbitrary<Lie> => {
  const node = anyNode(base, name);
  const found = fc.option(node);
  const blob = fc.option(fc.nat(3), { nil: undefined, freq: 1 });
  const withData = <T extends object>(value: T, data: number | undefined) =>
    data === undefined ? value : { ...value, data };
  const path = anyPath(base);
  return fc.record({
    // Names that an honest one may say, too: what is below them is looked at.
    tree: fc.oneof(
      node,
      fc
        .array(fc.tuple(fc.constantFrom('p', 'q', 'd', 'swap', 'out'), node), { maxLength: 3 })
        .map((children) => ({ kind: 'dir' as const, children })),
    ),
    left: fc.array(
      fc.record({
        path,
        before: fc.record({ kind: fc.constant('file' as const), digest, size, exec: fc.boolean() }),
        after: fc.constantFrom(null, file('a'), { kind: 'link' as const, target: '../secret' }),
        held: fc.constantFrom('a', '', '../../secret/x'),
      }),
      { maxLength: 3 },
    ),
    outcomes: fc.array(
      fc.oneof(
        fc.record({ path, result: fc.constant('done' as const) }),
        fc.tuple(path, digest, size, blob).map(([at, of, bytes, data]) => ({
          path: at,
          result: 'done' as const,
          victim: withData({ digest: of, size: bytes, exec: false, held: '../../secret/x' }, data),
        })),
        fc
          .tuple(path, found, blob)
          .map(([at, there, data]) => withData({ path: at, result: 'refused' as const, found: there }, data)),
        fc.record({
          path,
          result: fc.constant('failed' as const),
          reason: fc.constant('io' as const),
          message: fc.string(),
        }),
      ),
      { minLength: 50, maxLength: 50 },
    ),
    changes: fc.array(
      fc
        .tuple(fc.oneof(path, fc.constantFrom('', 'a', 'd', 'd/x', 'p/q', 'swap/x', 'out/x', 'abs')), found, blob)
        .map(([at, there, data]) => withData({ path: at, node: there }, data)),
      { maxLength: 3 },
    ),
  });
};

test('100 agents that lie to a console', async () => {
  const { base, root } = await folder();
  const canary = new Canary(base);
  lure(root, canary.folder);
  const swap = await swapper(`${root}/swap`, canary.folder);
  const attached = ['', 'a', SECRET, 'x'.repeat(60_000)].map((text) => Buffer.from(text));
  // What cannot be a name ends the link at once; most get further.
  const lie = fc.oneof(
    { weight: 1, arbitrary: anyLie(base, anyName) },
    { weight: 4, arbitrary: anyLie(base, anyName.filter(isName)) },
  );
  const { frames: lies, seed } = anySample(lie, 100);
  const told: Record<string, number> = {};
  for (const lie of lies) {
    const router = new EndpointRouter();
    await using pair = await peerPair(
      {
        event: (name, value, bytes) =>
          name === 'sync.changes' ? router.changes(value as EventValue<'sync.changes'>, bytes) : undefined,
      },
      { call: (method, params) => Promise.resolve(answer(lie, method, params, attached) as never), open: content },
    );
    await using _session = await lured(root, { control: pair.console, bulk: Promise.resolve(pair.console) }, router);
    for (const change of lie.changes) pair.agent.emit('sync.changes', { endpoint: 1, changes: [change] }, attached);
    // Not until it is quiet: whoever is refused for ever goes on. After what was told, and for some rounds.
    for (let round = 0; round < 5; round++) {
      await pair.console.call('sync.unwatch', { endpoint: 1 }).catch(() => undefined);
    }
    const end = pair.console.isClosed ? (await pair.console.closed).code : 'open';
    told[end] = (told[end] ?? 0) + 1;
  }
  await swap.stop();
  expect(canary.differences(), `seed ${seed}`).toEqual([]);
  expect(Object.keys(told).sort(), `seed ${seed}`).toEqual(['open', 'protocol-violation']);
});

function answer(lie: Lie, method: MethodName, params: unknown, attached: readonly Uint8Array[]): unknown {
  const info = {
    root: '/app',
    writable: true,
    hardLinks: true,
    symlinks: true,
    execBit: true,
    caseSensitive: true,
    mount: false,
  };
  const { changes = [] } = params as Partial<Params<'sync.apply'>>;
  const answers: Partial<Record<MethodName, unknown>> = {
    'sync.open': { endpoint: 1, info },
    'sync.scan': { root: lie.tree },
    'sync.left': { left: lie.left },
    'sync.apply': new WithAttached(
      { outcomes: changes.map((_, n) => lie.outcomes[n % lie.outcomes.length]) },
      attached,
    ),
  };
  return answers[method] ?? {};
}

/** Other bytes than were asked for. */
const content: NonNullable<Service['open']> = (_kind, _params, stream) => {
  stream.write('planted');
  stream.finish({ ok: true });
  return Promise.resolve({} as never);
};

async function lured(root: string, link: { control: Peer; bulk: Promise<Peer> }, router: EndpointRouter) {
  const stateDir = await mkdtemp(join(tmpdir(), 'drydock-state-'));
  const host = await openDisk({ root, ignored: compileIgnore(['*.ign']) });
  const session = createSyncSession({
    host,
    container: null,
    store: await SyncStore.open(stateDir, root, systemClock.now()),
    policy: 'union',
    clock: systemClock,
    onEvent: () => undefined,
  });
  await session.start();
  await session.attachContainer(await RemoteEndpoint.open(link, router, '/app', []), identity()).catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      await session.close();
      await host.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
