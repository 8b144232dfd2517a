/** Each measure that keeps bytes safe, and what happens without it: so none of them can be lost unseen. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import type { Measure } from '../../../shared/disk/hands.ts';
import type { Capabilities } from '../../../shared/disk/probe.ts';
import { pinningWalker } from '../../../shared/disk/walk.ts';
import type { Folder, Walker } from '../../../shared/disk/walk.ts';
import { contents, file } from '../../contract/endpoint.ts';
import { disk, folder, leaveVictim, make } from '../../support/disk.ts';

interface Danger {
  readonly measure: Measure;
  readonly what: string;
  /** True when nothing was lost. */
  readonly run: (without: Measure | undefined) => Promise<boolean>;
}

const DANGERS: readonly Danger[] = [
  {
    measure: 'before',
    what: 'an edit that nobody has seen yet stays at its path',
    run: async (without) => {
      const { root } = await folder();
      writeFileSync(`${root}/a`, 'old');
      const endpoint = await disk(root, { without });
      writeFileSync(`${root}/a`, 'theirs');
      await make(endpoint, { path: 'a', before: file('old'), after: file('ours') }, 'ours');
      return readFileSync(`${root}/a`, 'utf8') === 'theirs';
    },
  },
  {
    measure: 'before',
    what: 'so does a new file that nobody has seen yet',
    run: async (without) => {
      const { root } = await folder();
      const endpoint = await disk(root, { without });
      writeFileSync(`${root}/a`, 'theirs');
      await make(endpoint, { path: 'a', before: null, after: file('ours') }, 'ours');
      return holds(root, 'theirs');
    },
  },
  {
    measure: 'last-look',
    what: 'a file that comes while the one before it is being proved is not replaced, also where names cannot be exchanged',
    run: (without) => saveDuring({ without, after: 'ours', when: 'avav', can: { exchange: false } }),
  },
  {
    measure: 'exchange',
    what: 'a file that comes between the last look and a replacement is not replaced',
    run: (without) => saveDuring({ without, after: 'ours', when: without === undefined ? 'avvva' : 'avavva' }),
  },
  {
    measure: 'quarantine',
    what: 'a file that comes between the last look and a delete is not deleted',
    run: (without) => saveDuring({ without, after: null, when: 'avvva' }),
  },
  {
    measure: 'recovery',
    what: 'a file that was written while a process was killed over it comes back',
    run: async (without) => {
      const { root, base } = await folder();
      leaveVictim(base, { path: 'a', known: [file('old').digest] }, 'theirs');
      await disk(root, { without });
      return holds(root, 'theirs');
    },
  },
  {
    measure: 'late-writes',
    what: 'what a program writes into a file after it was replaced becomes a copy',
    run: (without) => writeLate(without, 'ours'),
  },
  {
    measure: 'late-writes',
    what: 'likewise after it was deleted',
    run: (without) => writeLate(without, null),
  },
  {
    measure: 'empty-hold',
    what: 'a file that an editor truncates and fills is never told as empty',
    run: async (without) => {
      const { root } = await folder();
      writeFileSync(`${root}/a`, 'old');
      const endpoint = await disk(root, { without });
      const fd = openSync(`${root}/a`, 'w');
      // Its look at the file is over when it returns, its answer is not.
      const scan = endpoint.scan();
      writeSync(fd, 'filled');
      closeSync(fd);
      const told = nodeAt((await scan).root, 'a');
      return told?.kind === 'file' && told.digest === file('filled').digest;
    },
  },
  {
    measure: 'steady-read',
    what: 'a file that changes while it is read is told as one that was there',
    run: async (without) => {
      const [older, newer] = [Buffer.alloc(16 * MIB, 'a'), Buffer.alloc(16 * MIB, 'b')];
      const { root } = await folder();
      writeFileSync(`${root}/a`, '');
      const endpoint = await disk(root, { without, can: { grain: 0 } });
      writeFileSync(`${root}/a`, older);
      utimesSync(`${root}/a`, 1, 1); // Not within the clock tick of what follows.
      const from = bytesRead();
      const scan = endpoint.scan();
      while (bytesRead() < from + MIB) await new Promise(setImmediate);
      const fd = openSync(`${root}/a`, 'r+');
      writeSync(fd, newer);
      closeSync(fd);
      const told = nodeAt((await scan).root, 'a');
      return told?.kind === 'file' && [older, newer].some((each) => file(each).digest === told.digest);
    },
  },
  {
    measure: 'paths',
    what: 'nothing is made outside the folder, whatever path the other side names',
    run: async (without) => {
      const { root, base } = await folder();
      const endpoint = await disk(root, { without });
      await make(endpoint, { path: '../planted', before: null, after: file('ours') }, 'ours');
      return !existsSync(`${base}/planted`);
    },
  },
  {
    measure: 'links',
    what: 'no link that leads out of the folder is made',
    run: async (without) => {
      const { root } = await folder();
      const endpoint = await disk(root, { without });
      await make(endpoint, { path: 'l', before: null, after: { kind: 'link', target: '../secret' } });
      return readdirSync(root).length === 0;
    },
  },
  {
    measure: 'ignores',
    what: 'what is ignored here is left alone, although the other side sends it',
    run: async (without) => {
      const { root } = await folder();
      writeFileSync(`${root}/a.ign`, 'ours');
      const endpoint = await disk(root, { without });
      await make(endpoint, { path: 'a.ign', before: file('ours'), after: file('theirs') }, 'theirs');
      await make(endpoint, { path: 'b.ign', before: null, after: file('theirs') }, 'theirs');
      return !holds(root, 'theirs');
    },
  },
];

test.each([
  ['with it', pinningWalker, true],
  ['not without it', followingWalker(), false],
])('a folder that has become a link leads nobody out: %s', async (_, walker, isWell) => {
  const { root, base } = await folder();
  mkdirSync(`${root}/d`);
  mkdirSync(`${base}/secret`);
  const endpoint = await disk(root, { walker });
  rmdirSync(`${root}/d`);
  symlinkSync('../secret', `${root}/d`);
  await make(endpoint, { path: 'd/planted', before: null, after: file('ours') }, 'ours');
  expect(!existsSync(`${base}/secret/planted`)).toBe(isWell);
});

/** Without O_NOFOLLOW. */
function followingWalker(): Walker {
  const enter: Walker['enter'] = (above, name) => pinningWalker.open(realpathSync(above.at(name)));
  return { ...pinningWalker, enter };
}

describe.each(DANGERS)('$measure: $what', ({ measure, run }) => {
  test('with it', async () => expect(await run(undefined)).toBe(true));
  test('not without it', async () => expect(await run(measure)).toBe(false));
});

const MIB = 1024 * 1024;

/** Bytes that this process has read so far. */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}

function holds(root: string, text: string): boolean {
  return readdirSync(root).some((name) => readFileSync(`${root}/${name}`, 'utf8') === text);
}

async function writeLate(without: Measure | undefined, after: string | null): Promise<boolean> {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root, { without });
  const fd = openSync(`${root}/a`, 'r+');
  onTestFinished(() => closeSync(fd));
  await make(endpoint, { path: 'a', before: file('old'), after: after === null ? null : file(after) }, after ?? '');
  writeSync(fd, 'late', 0);
  await endpoint.close();
  return holds(root, 'late');
}

/**
 * Somebody renames a file over the victim at one moment of a change: when the folder was asked for a path (`a`) and
 * whether it is still there (`v`) just so often. True when that file is left.
 */
async function saveDuring(options: {
  readonly without: Measure | undefined;
  readonly after: string | null;
  readonly when: string;
  readonly can?: Partial<Capabilities>;
}): Promise<boolean> {
  const { root } = await folder();
  let asked: string | null = null;
  let saved = false;
  const tell = (what: string) => {
    if (asked === options.when) {
      writeFileSync(`${root}/theirs.ign`, 'theirs');
      renameSync(`${root}/theirs.ign`, `${root}/a`);
      saved = true;
    }
    if (asked !== null) asked += what;
  };
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root, { without: options.without, walker: telling(root, tell), can: options.can ?? {} });
  const after = options.after === null ? null : file(options.after);
  const source = contents(options.after ?? '');
  // Looked at once more a moment after it was written: that look is over.
  while (!endpoint.proven().has('a')) await new Promise(setImmediate);
  asked = '';
  await endpoint.apply([{ path: 'a', before: file('old'), after }], source);
  expect(saved).toBe(true);
  return holds(root, 'theirs');
}

/** Tells of each use of the root. */
function telling(root: string, tell: (what: 'a' | 'v') => void): Walker {
  const watched = (folder: Folder): Folder => ({
    stat: folder.stat,
    fd: folder.fd,
    here: folder.here,
    at: (name) => {
      tell('a');
      return folder.at(name);
    },
    verify: () => {
      tell('v');
      folder.verify();
    },
    close: () => folder.close(),
  });
  return {
    ...pinningWalker,
    open: (path) => (path === root ? watched(pinningWalker.open(path)) : pinningWalker.open(path)),
  };
}
