/** What the files of sync's state must do, on a real disk and on the simulator's. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diskFiles, type Files } from '../../console/engine/sync/files.ts';
import { StateDisk } from '../simulator/files.ts';
import { Life, World } from '../simulator/world.ts';

interface Subject {
  readonly files: Files;
  readonly folder: string;
  dispose(): Promise<void>;
}

async function real(): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-files-'));
  return { files: diskFiles, folder, dispose: () => rm(folder, { recursive: true }) };
}

/** Its time passes by itself, as fast as it can. */
async function virtual(): Promise<Subject> {
  const world = new World(1);
  const running = { ends: false };
  const passing = (async () => {
    while (!running.ends) await world.run(world.now + 1);
  })();
  const files = new StateDisk().filesOf(new Life(world, 'a test'));
  await files.makeFolder('/state');
  const dispose = async () => {
    running.ends = true;
    await passing;
  };
  return { files, folder: '/state', dispose };
}

describe.each([
  ['a real disk', real],
  ['the simulator’s disk', virtual],
])('%s', (_, open) => {
  let subject: Subject;
  let files: Files;
  let at: (name: string) => string;
  beforeEach(async () => {
    subject = await open();
    files = subject.files;
    at = (name) => join(subject.folder, name);
  });
  afterEach(() => subject.dispose());

  const text = async (name: string) => (await files.read(at(name)))?.toString();

  test('what is not there is null to read', async () => {
    expect(await files.read(at('a'))).toBeNull();
    files.remove(at('a'));
  });

  test('a file grows at its end, is cut, and goes on', async () => {
    const first = files.open(at('a'), 'add');
    expect(first.size).toBe(0);
    first.write(Buffer.from('one '));
    first.write(Buffer.from('two'));
    await first.sync();
    first.close();
    const second = files.open(at('a'), 'add');
    expect(second.size).toBe(7);
    second.cut(4);
    second.write(Buffer.from('three'));
    second.syncNow();
    second.close();
    expect(await text('a')).toBe('one three');
    files.open(at('a'), 'anew').close();
    expect(await text('a')).toBe('');
  });

  test('a closed file takes nothing', () => {
    const file = files.open(at('a'), 'add');
    file.close();
    expect(() => file.write(Buffer.from('x'))).toThrow(/EBADF/);
  });

  test('a rename takes the place of what is there, and an open file goes with its name', async () => {
    const old = files.open(at('b'), 'anew');
    old.write(Buffer.from('old'));
    old.close();
    const next = files.open(at('a'), 'anew');
    next.write(Buffer.from('new'));
    files.rename(at('a'), at('b'));
    next.write(Buffer.from('er'));
    next.close();
    await files.syncFolder(subject.folder);
    expect(await text('b')).toBe('newer');
    expect(await files.names(subject.folder)).toEqual(['b']);
  });

  test('chunks are saved whole, or not at all', async () => {
    await files.save(at('good'), [Buffer.from('o'), Buffer.from('ne')]);
    const broken = async function* () {
      yield Buffer.from('half');
      await Promise.resolve();
      throw new Error('the source is gone');
    };
    await expect(files.save(at('bad'), broken())).rejects.toThrow('the source is gone');
    expect(await files.names(subject.folder)).toEqual(['good']);
    const chunks: Uint8Array[] = [];
    for await (const chunk of files.stream(at('good'))) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe('one');
  });

  test('folders are made with those above them, and listed', async () => {
    await files.makeFolder(at('x/y'));
    await files.makeFolder(at('x/y'));
    await files.save(at('x/f'), []);
    expect((await files.names(at('x'))).sort()).toEqual(['f', 'y']);
    expect(await files.real(at('nowhere'))).toBe(at('nowhere'));
  });

  test('one holds the lock', () => {
    const free = files.lock(at('lock'), 'here');
    expect(() => files.lock(at('lock'), 'here')).toThrow(/synchronises here/);
    free();
    files.lock(at('lock'), 'here')();
  });
});

test('a power cut leaves what was synced, whole, and of the rest a beginning or nothing', async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const world = new World(seed);
    const disk = new StateDisk();
    const files = disk.filesOf(new Life(world, 'a test'));
    const log = files.open('/log', 'add');
    log.write(Buffer.from('synced'));
    log.syncNow();
    files.syncFolderNow('/');
    log.write(Buffer.from(' and more'));
    files.open('/nameless', 'add').syncNow();
    const next = files.open('/log.new', 'anew');
    next.write(Buffer.from('next'));
    next.syncNow();
    files.rename('/log.new', '/log');
    disk.powerCut(world);
    const [left = Buffer.alloc(0)] = disk.files('/log');
    const now = left.toString();
    expect(now === 'next' || (now.startsWith('synced') && 'synced and more'.startsWith(now))).toBe(true);
    seen.add(now);
    seen.add(disk.files('/nameless').length === 0 ? 'lost' : 'kept');
  }
  expect(seen).toContain('next');
  expect(seen).toContain('lost');
  expect(seen).toContain('kept');
  expect(seen.size).toBeGreaterThan(6);
  await Promise.resolve();
});
