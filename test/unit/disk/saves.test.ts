import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { openDisk } from '../../../shared/disk/disk.ts';
import type { DiskEndpoint } from '../../../shared/disk/disk.ts';
import { News, file } from '../../contract/endpoint.ts';
import { folder } from '../../support/disk.ts';

const SAVES: Readonly<Record<string, (path: string, text: string) => void>> = {
  'truncate and write (VS Code)': (path, text) => writeFileSync(path, text),
  'truncate, write in pieces, sync': (path, text) => {
    const fd = openSync(path, 'w');
    for (const letter of text) writeSync(fd, letter);
    fsyncSync(fd);
    closeSync(fd);
  },
  'rename over (JetBrains, git)': (path, text) => {
    writeFileSync(`${path}___jb_tmp___`, text);
    renameSync(`${path}___jb_tmp___`, path);
  },
  'move away, then write anew (vim, backupcopy=no)': (path, text) => {
    renameSync(path, `${path}~`);
    writeFileSync(path, text);
    unlinkSync(`${path}~`);
  },
  'write beside, delete, then link': (path, text) => {
    writeFileSync(`${path}.tmp`, text);
    unlinkSync(path);
    linkSync(`${path}.tmp`, path);
    unlinkSync(`${path}.tmp`);
  },
};

/** What the sync session does with the same names: editor files are ignored. */
const ignored = (path: string) => /^\.git$|~$|\.sw[px]$|___jb_tmp___$|\.tmp$|(^|\/)4913$/.test(path);

describe('saves as editors make them', () => {
  let endpoint: DiskEndpoint | undefined;
  afterEach(() => endpoint?.close());

  async function start(): Promise<{ news: News; path: string }> {
    const { root } = await folder();
    mkdirSync(`${root}/pkg`);
    writeFileSync(`${root}/pkg/score.py`, 'version 0');
    endpoint = await openDisk({ root, ignored });
    await endpoint.scan();
    const news = new News();
    await endpoint.watch(news.onChange, news.onLost);
    return { news, path: `${root}/pkg/score.py` };
  }

  /** The last word is the text; a file that is replaced in two steps may be told as gone between, never as empty or in part. */
  function onlyWhole(news: News, whole: readonly string[]): void {
    const digests = new Set(whole.map((text) => file(text).digest));
    for (const { path, node } of news.told) {
      if (path === 'pkg/score.py' && node !== null) expect(node.kind === 'file' && digests.has(node.digest)).toBe(true);
    }
  }

  test.each(Object.entries(SAVES).filter(([name]) => !name.includes('pieces')))('%s', async (_, save) => {
    const { news, path } = await start();
    const texts = Array.from({ length: 8 }, (__, index) => `version ${index + 1}`);
    for (const text of texts) {
      save(path, text);
      await news.says('pkg/score.py', file(text));
    }
    onlyWhole(news, texts);
  });

  test('truncate, write in pieces, sync: the last word is the whole', async () => {
    const { news, path } = await start();
    SAVES['truncate, write in pieces, sync']?.(path, 'in pieces');
    await news.says('pkg/score.py', file('in pieces'));
  });

  test.each(['yes', 'no', 'auto', 'auto,breakhardlink'])('vim itself, backupcopy=%s', async (backupcopy) => {
    const { news, path } = await start();
    for (const text of ['first', 'second', 'third']) {
      const commands = [
        'set nocompatible fsync',
        `set backupcopy=${backupcopy}`,
        'set backup writebackup',
        `call setline(1, '${text}')`,
        'wq',
      ];
      execFileSync('vim', ['-u', 'NONE', '-es', ...commands.flatMap((command) => ['-c', command]), path], {
        env: { ...process.env, TERM: 'dumb' },
      });
      expect(readFileSync(path, 'utf8')).toBe(`${text}\n`);
      await news.says('pkg/score.py', file(`${text}\n`));
    }
    onlyWhole(news, ['first\n', 'second\n', 'third\n']);
  });

  test('git checkout of another branch', async () => {
    const { news, path } = await start();
    const git = (...args: string[]) =>
      execFileSync('git', [
        '-C',
        path.replace('/pkg/score.py', ''),
        '-c',
        'user.name=t',
        '-c',
        'user.email=t@t',
        ...args,
      ]);
    git('init', '-q', '-b', 'one');
    git('add', 'pkg');
    git('commit', '-qm', 'one');
    git('checkout', '-qb', 'two');
    writeFileSync(path, 'version 2');
    writeFileSync(path.replace('score', 'helper'), 'helper');
    git('add', 'pkg');
    git('commit', '-qm', 'two');
    await news.says('pkg/score.py', file('version 2'));
    await news.says('pkg/helper.py', file('helper'));
    git('checkout', '-q', 'one');
    await news.says('pkg/score.py', file('version 0'));
    await news.says('pkg/helper.py', null);
    git('checkout', '-q', 'two');
    await news.says('pkg/score.py', file('version 2'));
    await news.says('pkg/helper.py', file('helper'));
  });
});
