import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
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
});
