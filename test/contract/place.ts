/** What every place does: the suite that each adapter passes. */
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DrydockError } from '../../shared/core/errors.ts';
import type { LogChunk, Place, SpawnOptions, Target, TargetEvent } from '../../console/place/place.ts';

export interface StartedForTest extends AsyncDisposable {
  readonly id: string;
  readonly name: string;
  readonly target: Target;
}

/** A place, and what only its own tools can do to its containers. */
export interface PlaceUnderTest extends AsyncDisposable {
  readonly place: Place;
  /** A container with busybox that runs `script` and waits. */
  start(options?: {
    readonly script?: string;
    readonly name?: string;
    readonly tty?: boolean;
    readonly env?: Readonly<Record<string, string>>;
    readonly user?: string;
  }): Promise<StartedForTest>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  stop(id: string): Promise<void>;
  startAgain(id: string): Promise<void>;
  remove(id: string): Promise<void>;
}

export function placeContract(name: string, factory: () => Promise<PlaceUnderTest>): void {
  describe(`place: ${name}`, () => {
    let under: PlaceUnderTest;
    let shared: StartedForTest;
    beforeAll(async () => {
      under = await factory();
      shared = await under.start({ env: { GREETING: 'hello=you' } });
    });
    afterAll(async () => {
      await shared[Symbol.asyncDispose]();
      await under[Symbol.asyncDispose]();
    });

    describe('finding', () => {
      it('lists what is there, whether it runs or not', async () => {
        await using stopped = await under.start();
        await under.stop(stopped.id);
        const found = await under.place.list();
        expect(found.find(({ id }) => id === shared.id)).toMatchObject({ name: shared.name, state: 'running' });
        expect(found.find(({ id }) => id === stopped.id)).toMatchObject({ name: stopped.name, state: 'exited' });
      });

      it('opens by name, by ID and by the beginning of an ID, always the same incarnation', async () => {
        const targets = await Promise.all(
          [shared.name, shared.id, shared.id.slice(0, 12)].map((ref) => under.place.open(ref)),
        );
        for (const { id } of targets) expect(id).toEqual(shared.target.id);
        expect(shared.target.id.container).toBe(shared.id);
        expect(Date.parse(shared.target.id.startedAt)).not.toBeNaN();
      });

      it('asks whether a near name was meant', async () => {
        const error = await rejection(under.place.open(`${shared.name.slice(0, -1)}_`));
        expect(error.code).toBe('no-container');
        expect(error.hint).toContain(shared.name);
      });

      it('says what runs when no name is near', async () => {
        const error = await rejection(under.place.open('qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq'));
        expect(error).toMatchObject({ code: 'no-container', exitCode: 3 });
        expect(error.hint).toMatch(/running/i);
      });

      it('says how a stopped and a paused container go on', async () => {
        await using one = await under.start();
        await under.pause(one.id);
        const paused = await rejection(under.place.open(one.name));
        expect(paused).toMatchObject({ code: 'not-running' });
        expect(paused.message).toContain('paused');
        expect(paused.hint).toContain(one.name);
        await under.resume(one.id);
        await under.stop(one.id);
        const stopped = await rejection(under.place.open(one.name));
        expect(stopped).toMatchObject({ code: 'not-running' });
        expect(stopped.hint).toContain(one.name);
      });

      it('tells the facts of a container', async () => {
        const facts = await shared.target.facts();
        expect(facts).toMatchObject({
          name: shared.name,
          tty: false,
          readOnly: false,
          rootCapable: true,
          isHere: true,
          gateways: expect.arrayContaining([expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/)]) as string[],
        });
        expect(facts.env['GREETING']).toBe('hello=you');
      });
    });

    describe('spawning', () => {
      it('gives stdout, stderr and the exit code', async () => {
        expect(await finished(shared.target, ['sh', '-c', 'echo out; echo err >&2; exit 7'])).toEqual({
          stdout: 'out\n',
          stderr: 'err\n',
          code: 7,
        });
      });

      it('takes user, variables and working folder', async () => {
        const { stdout } = await finished(shared.target, ['sh', '-c', 'id -u; echo "$A"; pwd'], {
          user: '1000',
          env: { A: 'b=c d' },
          cwd: '/tmp',
        });
        expect(stdout).toBe('1000\nb=c d\n/tmp\n');
      });

      it('ends with 126 or 127 when the program is not there', async () => {
        const { code } = await finished(shared.target, ['/no/such/program']);
        expect([126, 127]).toContain(code);
      });

      it('carries what is written before anything is read', async () => {
        const process = await shared.target.spawn(['cat'], {});
        process.stderr.resume();
        process.stdio.end('all of it');
        expect(await text(process.stdio)).toBe('all of it');
        expect(await process.exit).toBe(0);
      });

      it('carries 50 MB both ways byte for byte while the reader is slow', async () => {
        const process = await shared.target.spawn(['cat'], {});
        process.stderr.resume();
        const sent = bytes(50 * 1024 * 1024);
        Readable.from(slices(sent, 1_000_003), { objectMode: false }).pipe(process.stdio);
        const received: Buffer[] = [];
        for await (const chunk of process.stdio as AsyncIterable<Buffer>) {
          received.push(chunk);
          // Yields to every other stream there is, so that the pipe fills.
          await new Promise(setImmediate);
        }
        expect(Buffer.concat(received).equals(sent)).toBe(true);
        expect(await process.exit).toBe(0);
      });

      it('holds a process that nobody reads, and lets it go on afterwards', async () => {
        const process = await shared.target.spawn(['sh', '-c', 'yes | head -c 20000000; echo done >&2'], {});
        let done = false;
        process.stderr.on('data', () => (done = true));
        await new Promise((resolve) => process.stdio.once('readable', resolve));
        // Others talk meanwhile: the process would have finished if nothing held it.
        for (let round = 0; round < 3; round += 1) await finished(shared.target, ['true']);
        expect(done).toBe(false);
        expect((await buffer(process.stdio)).length).toBe(20_000_000);
        expect(await process.exit).toBe(0);
      });

      it('ends the input of a process whose stream is destroyed', async () => {
        const process = await shared.target.spawn(['sh', '-c', 'cat > /dev/null; touch /tmp/saw-the-end'], {});
        process.stderr.resume();
        process.stdio.destroy();
        expect(await process.exit).toBe(0);
        const { code } = await finished(shared.target, ['test', '-e', '/tmp/saw-the-end']);
        expect(code).toBe(0);
      });

      it('refuses on a paused and on a removed container', async () => {
        await using one = await under.start();
        await under.pause(one.id);
        expect(await rejection(one.target.spawn(['true'], {}))).toMatchObject({ code: 'not-running' });
        await under.resume(one.id);
        await under.remove(one.id);
        expect(await rejection(one.target.spawn(['true'], {}))).toMatchObject({ code: 'no-container' });
      });
    });

    describe('files', () => {
      it('puts a tar in with owners and modes, and gets it out again', async () => {
        const tar = pack();
        tar.entry({ name: 'app', type: 'directory', uid: 1000, gid: 1001, mode: 0o750 });
        tar.entry({ name: 'app/score.py', uid: 1000, gid: 1001, mode: 0o640 }, 'def run(): pass\n');
        tar.finalize();
        await shared.target.put('/tmp', tar as AsyncIterable<Uint8Array>);
        const { stdout } = await finished(shared.target, ['stat', '-c', '%u %g %a', '/tmp/app', '/tmp/app/score.py']);
        expect(stdout).toBe('1000 1001 750\n1000 1001 640\n');
        expect(await entries(shared.target.get('/tmp/app'))).toEqual({
          'app/': '',
          'app/score.py': 'def run(): pass\n',
        });
      });

      it('tells whether something is there', async () => {
        expect(await shared.target.exists('/etc/passwd')).toBe(true);
        expect(await shared.target.exists('/etc')).toBe(true);
        expect(await shared.target.exists('/no/such')).toBe(false);
      });

      it('says what is not there', async () => {
        expect(await rejection(entries(shared.target.get('/no/such')))).toMatchObject({ code: 'io' });
        const large = Readable.from(slices(Buffer.alloc(20_000_000), 100_000), { objectMode: false });
        const error = await rejection(shared.target.put('/no/such', large as AsyncIterable<Uint8Array>));
        expect(error).toMatchObject({ code: 'io' });
        expect(error.message).toContain('/no/such');
      });

      it('gives what the image has, whatever became of it in the container', async () => {
        await using one = await under.start();
        const { stdout: original } = await finished(one.target, ['cat', '/etc/passwd']);
        await finished(one.target, ['sh', '-c', 'echo edited > /etc/passwd; echo own > /etc/own']);
        expect(await entries(one.target.getOfImage('/etc/passwd'))).toEqual({ passwd: original });
        expect(await rejection(entries(one.target.getOfImage('/etc/own')))).toMatchObject({ code: 'io' });
        expect((await finished(one.target, ['cat', '/etc/passwd'])).stdout).toBe('edited\n');
      });

      it('lists what changed, and how much of it there is', async () => {
        await using one = await under.start();
        await finished(one.target, ['sh', '-c', 'echo 12345 > /var/azureml-app/score.py; rm /etc/passwd']);
        const changes = await one.target.changes();
        expect(changes).toContainEqual({ path: '/var/azureml-app/score.py', kind: 'added' });
        expect(changes).toContainEqual({ path: '/etc/passwd', kind: 'deleted' });
        expect(changes).toContainEqual({ path: '/etc', kind: 'modified' });
        expect(await one.target.writableSize()).toBeGreaterThanOrEqual(6);
      });
    });

    describe('logs', () => {
      it('tells stdout from stderr', async () => {
        await using one = await under.start({ script: 'echo one; echo two >&2; echo ready' });
        // An engine reads the two apart: which of their last lines comes last is not given.
        await Promise.all([firstLog(one.target, 'two'), firstLog(one.target, 'ready')]);
        const chunks = await collect(one.target.logs({ follow: false, signal: never() }));
        expect(streamText(chunks, 'stdout')).toBe('one\nready\n');
        expect(streamText(chunks, 'stderr')).toBe('two\n');
      });

      it('gives the last lines alone', async () => {
        await using one = await under.start({ script: 'echo one; echo ready' });
        await firstLog(one.target, 'ready');
        const chunks = await collect(one.target.logs({ follow: false, signal: never(), tail: 1 }));
        expect(streamText(chunks, 'stdout')).toBe('ready\n');
      });

      it('passes a terminal’s log on as it is', async () => {
        await using one = await under.start({ script: 'echo one; echo two >&2; echo ready', tty: true });
        await firstLog(one.target, 'ready');
        const chunks = await collect(one.target.logs({ follow: false, signal: never() }));
        expect(streamText(chunks, 'stdout')).toBe('one\r\ntwo\r\nready\r\n');
      });

      it('passes a log on that looks like JSON', async () => {
        await using one = await under.start({ script: `echo '{"a": 1}'`, tty: true });
        await firstLog(one.target, '}');
        expect(streamText(await collect(one.target.logs({ follow: false, signal: never() })), 'stdout')).toBe(
          '{"a": 1}\r\n',
        );
      });

      it('follows until it is told to stop, and until the container ends', async () => {
        await using one = await under.start({ script: 'echo first; trap "" HUP' });
        const stop = new AbortController();
        let seen = '';
        for await (const { data } of one.target.logs({ follow: true, signal: stop.signal })) {
          const before = seen;
          seen += Buffer.from(data).toString();
          if (!before.includes('first') && seen.includes('first')) {
            await finished(one.target, ['sh', '-c', 'echo second > /proc/1/fd/1']);
          }
          if (seen.includes('second')) stop.abort();
        }
        expect(seen).toBe('first\nsecond\n');
        const whole = collect(one.target.logs({ follow: true, signal: never() }));
        await under.stop(one.id);
        expect(streamText(await whole, 'stdout')).toBe('first\nsecond\n');
      });

      it('carries a long line that comes in many frames', async () => {
        await using one = await under.start({ script: 'head -c 3000000 /dev/zero | tr "\\0" x; echo; echo ready' });
        await firstLog(one.target, 'ready');
        const chunks = await collect(one.target.logs({ follow: false, signal: never() }));
        expect(streamText(chunks, 'stdout').length).toBe(3_000_000 + '\nready\n'.length);
      });
    });

    describe('events', () => {
      it('says what happens to the container, in order', async () => {
        await using one = await under.start();
        await using events = listen(one.target);
        await events.ready(() => under.pause(one.id), 'paused');
        await under.resume(one.id);
        await under.stop(one.id);
        await under.startAgain(one.id);
        await under.remove(one.id);
        expect(await events.until('removed')).toEqual(['paused', 'resumed', 'died', 'started', 'died', 'removed']);
      });

      it('says what happened before it listened', async () => {
        await using one = await under.start();
        await under.stop(one.id);
        await using events = listen(one.target);
        expect(await events.until('died')).toEqual(['died']);
      });

      it('starts the same container again, as another incarnation', async () => {
        await using own = await under.start();
        await own.target.lifecycle?.restart(0);
        const { id } = await under.place.open(own.id);
        expect(id.container).toBe(own.target.id.container);
        expect(id.startedAt).not.toBe(own.target.id.startedAt);
      });

      it('says that another container has the name now, and not that one of a longer name does', async () => {
        await using one = await under.start();
        await using events = listen(one.target);
        await events.ready(() => under.remove(one.id), 'removed');
        await using longer = await under.start({ name: `${one.name}-longer` });
        await using heir = await under.start({ name: one.name });
        expect(longer.id).not.toBe(heir.id);
        expect(await events.until('replaced')).toEqual(['died', 'removed', 'replaced']);
      });

      it('ends when it is told to', async () => {
        const stop = new AbortController();
        const events = collect(shared.target.events(stop.signal));
        stop.abort();
        expect(await events).toEqual([]);
      });
    });

    it('lets go of everything when it is closed', async () => {
      const other = await factory();
      const target = await other.place.open(shared.id);
      const process = await target.spawn(['cat'], {});
      process.stderr.on('error', () => undefined).resume();
      const closed = new Promise<void>((resolve) => process.stdio.once('close', () => resolve()));
      process.stdio.on('error', () => undefined).resume();
      const log = collect(target.logs({ follow: true, signal: never() }));
      const events = collect(target.events(never()));
      await other[Symbol.asyncDispose]();
      await closed;
      await log;
      expect(await events).toEqual([]);
    });
  });
}

async function rejection(promise: Promise<unknown>): Promise<DrydockError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DrydockError) return error;
    throw error;
  }
  throw new Error('It was expected to be refused.');
}

async function finished(
  target: Target,
  argv: readonly string[],
  options: SpawnOptions = {},
): Promise<{ stdout: string; stderr: string; code: number }> {
  const process = await target.spawn(argv, options);
  const [stdout, stderr, code] = await Promise.all([text(process.stdio), text(process.stderr), process.exit]);
  return { stdout, stderr, code };
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

function never(): AbortSignal {
  return new AbortController().signal;
}

/** Resolves once `word` stands in the log. */
async function firstLog(target: Target, word: string): Promise<void> {
  const stop = new AbortController();
  let seen = '';
  for await (const { data } of target.logs({ follow: true, signal: stop.signal })) {
    seen += Buffer.from(data).toString();
    if (seen.includes(word)) stop.abort();
  }
}

function streamText(chunks: readonly LogChunk[], stream: LogChunk['stream']): string {
  return Buffer.concat(chunks.filter((chunk) => chunk.stream === stream).map(({ data }) => data)).toString();
}

async function entries(tar: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const reader = extract();
  Readable.from(tar, { objectMode: false })
    .on('error', (error) => reader.destroy(error))
    .pipe(reader);
  const found: Record<string, string> = {};
  for await (const entry of reader) found[entry.header.name] = await text(entry);
  return found;
}

interface Listening extends AsyncDisposable {
  /** Does it, and resolves when the event was told. */
  ready(act: () => Promise<void>, type: TargetEvent['type']): Promise<void>;
  until(type: TargetEvent['type']): Promise<readonly TargetEvent['type'][]>;
}

function listen(target: Target): Listening {
  const stop = new AbortController();
  const seen: TargetEvent['type'][] = [];
  const waiting = new Set<() => void>();
  const done = (async () => {
    for await (const { type } of target.events(stop.signal)) {
      seen.push(type);
      for (const wake of waiting) wake();
    }
  })();
  const until = async (type: TargetEvent['type']) => {
    while (!seen.includes(type)) {
      await new Promise<void>((resolve) => {
        waiting.add(resolve);
      });
    }
    return [...seen];
  };
  return {
    until,
    ready: async (act, type) => {
      await act();
      await until(type);
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await done;
    },
  };
}

/** Bytes without a period that a frame could hide. */
function bytes(length: number): Buffer {
  const result = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    result.writeInt32LE(state, at);
  }
  return result;
}

function* slices(data: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}
