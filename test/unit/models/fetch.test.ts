/** Fetching over a real link, from a real folder into another. */
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listModels, modelsFolder } from '../../../agent/models/list.ts';
import { sendModelFile } from '../../../agent/models/send.ts';
import { ModelWatch } from '../../../agent/models/watch.ts';
import {
  Changed,
  fetchModels,
  type Fetched,
  type FetchOptions,
  type Progress,
} from '../../../console/engine/models/fetch.ts';
import { HostModels } from '../../../console/engine/models/host-models.ts';
import { JOURNAL_LIMIT } from '../../../console/engine/models/plan.ts';
import { Journal } from '../../../console/engine/sync/journal.ts';
import { modelsOf, type ModelList } from '../../../shared/core/models.ts';
import type { StreamOpened, StreamParams } from '../../../shared/core/protocol.ts';
import { peerPair, type PeerPair } from '../../support/link-pair.ts';

const MB = 1024 * 1024;

let dir: string;
let app: string;
let host: string;
let journal: Journal;
let link: PeerPair;
let asked: StreamParams<'modelFile'>[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-fetch-'));
  [app, host] = [join(dir, 'app'), join(dir, 'host')];
  mkdirSync(join(app, 'azureml-models'), { recursive: true });
  mkdirSync(host);
  journal = await Journal.open(join(dir, 'journal'), Date.now());
  asked = [];
  link = await peerPair({}, {
    open: (async (_kind: string, params: StreamParams<'modelFile'>, stream) => {
      asked.push(params);
      return sendModelFile(params, modelsFolder(app), stream);
    }) as (kind: string, params: unknown, stream: never) => Promise<StreamOpened<'modelFile'>>,
  } as never);
});
afterEach(async () => {
  await link[Symbol.asyncDispose]();
  await journal.close();
  rmSync(dir, { recursive: true, force: true });
});

function put(root: string, path: string, data: string | Uint8Array): string {
  const file = join(root, 'azureml-models', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, data);
  return file;
}

const list = (): Promise<ModelList> => listModels(modelsFolder(app));

async function fetch(options: Partial<FetchOptions> = {}): Promise<Fetched> {
  const { folder, entries } = await list();
  return fetchModels({
    folder: folder ?? '',
    models: modelsOf(entries),
    bulk: link.console,
    host: new HostModels(host),
    journal,
    replace: false,
    signal: new AbortController().signal,
    proven: new Set(),
    onProgress: () => undefined,
    ...options,
  });
}

/** Stops as soon as this many bytes have come. */
async function stopAt(bytes: number): Promise<Progress> {
  const abort = new AbortController();
  const told: Progress[] = [];
  const onProgress = (progress: Progress) => {
    told.push(progress);
    if (progress.transferred >= bytes) abort.abort(new Error('stopped'));
  };
  await expect(fetch({ signal: abort.signal, onProgress })).rejects.toThrow('stopped');
  const last = told.at(-1);
  if (last === undefined) throw new Error('nothing was told');
  return last;
}

const onHost = (path: string) => readFileSync(join(host, 'azureml-models', path));
const files = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();

test('brings files, links and the executable bit; nothing else stays, and a second time nothing travels', async () => {
  const data = randomBytes(3 * MB);
  const source = put(app, 'big/1/deep/w.bin', data);
  utimesSync(source, 1_600_000_000, 1_600_000_000);
  put(app, 'big/1/empty', '');
  put(app, 'big/1/run.sh', 'x');
  rmSync(join(app, 'azureml-models/big/1/run.sh'));
  writeFileSync(join(app, 'azureml-models/big/1/run.sh'), 'x', { mode: 0o755 });
  symlinkSync('deep/w.bin', join(app, 'azureml-models/big/1/latest'));
  symlinkSync('/etc/passwd', join(app, 'azureml-models/big/1/out'));
  const done = await fetch();
  expect(done).toEqual({ files: 4, bytes: 3 * MB + 1, transferred: 3 * MB + 1, resumed: 0, kept: [] });
  expect(onHost('big/1/deep/w.bin').equals(data)).toBe(true);
  expect(readlinkSync(join(host, 'azureml-models/big/1/latest'))).toBe('deep/w.bin');
  expect(statSync(join(host, 'azureml-models/big/1/run.sh')).mode & 0o777).toBe(0o755);
  expect(statSync(join(host, 'azureml-models/big/1/deep/w.bin')).mtimeMs).toBe(1_600_000_000_000);
  expect(files(host)).toEqual(
    ['deep/w.bin', 'empty', 'latest', 'run.sh'].map((name) => `azureml-models/big/1/${name}`),
  );
  expect(existsSync(join(host, '.drydock'))).toBe(false);
  expect((await list()).entries).toContainEqual({
    kind: 'left',
    path: 'big/1/out',
    reason: 'a link that leads out of azureml-models',
  });
  expect(await fetch()).toMatchObject({ files: 0, transferred: 0 });
});

describe('a fetch that was stopped', () => {
  const data = randomBytes(6 * MB);

  test('shows nothing half-done, and goes on where it stopped', async () => {
    put(app, 'big/1/w.bin', data);
    const { transferred } = await stopAt(2 * MB);
    expect(existsSync(join(host, 'azureml-models'))).toBe(false);
    const [part] = files(join(host, '.drydock/models'));
    expect(lstatSync(join(host, '.drydock/models', part ?? '')).size).toBe(transferred);
    const done = await fetch();
    expect(done).toEqual({
      files: 1,
      bytes: 6 * MB,
      transferred: 6 * MB - transferred,
      resumed: transferred,
      kept: [],
    });
    expect(onHost('big/1/w.bin').equals(data)).toBe(true);
    expect(existsSync(join(host, '.drydock'))).toBe(false);
  });

  test.each<[string, (source: string, part: string) => void]>([
    ['the model is another of the same size', (source) => writeFileSync(source, randomBytes(6 * MB))],
    ['the model became smaller than what is here', (source) => writeFileSync(source, randomBytes(MB))],
    ['what is here was damaged', (_source, part) => writeFileSync(part, randomBytes(2 * MB))],
    ['what is here is longer than the model', (_source, part) => appendFileSync(part, randomBytes(7 * MB))],
  ])('begins anew when %s', async (_why, happens) => {
    const source = put(app, 'big/1/w.bin', data);
    await stopAt(2 * MB);
    happens(source, join(host, '.drydock/models', files(join(host, '.drydock/models'))[0] ?? ''));
    const now = readFileSync(source);
    expect(await fetch()).toMatchObject({ transferred: now.length, resumed: 0 });
    expect(onHost('big/1/w.bin').equals(now)).toBe(true);
  });

  test('appended to meanwhile, it brings only what was added', async () => {
    const source = put(app, 'big/1/w.bin', data);
    const { transferred } = await stopAt(2 * MB);
    appendFileSync(source, 'more');
    expect(await fetch()).toMatchObject({ transferred: 6 * MB + 4 - transferred, resumed: transferred });
    expect(onHost('big/1/w.bin').equals(readFileSync(source))).toBe(true);
  });

  test('of a model that is no more leaves nothing', async () => {
    const source = put(app, 'big/1/w.bin', data);
    await stopAt(2 * MB);
    rmSync(source);
    expect(await fetch()).toMatchObject({ files: 0 });
    expect(files(host)).toEqual([]);
    expect(existsSync(join(host, '.drydock'))).toBe(false);
  });

  test('whole but not in its place yet is put there without a byte', async () => {
    const source = put(app, 'big/1/w.bin', data);
    await stopAt(2 * MB);
    writeFileSync(join(host, '.drydock/models', files(join(host, '.drydock/models'))[0] ?? ''), readFileSync(source));
    expect(await fetch()).toMatchObject({ files: 1, transferred: 0, resumed: 6 * MB });
    expect(onHost('big/1/w.bin').equals(data)).toBe(true);
  });
});

test('a model that is touched while it travels is not taken for whole', async () => {
  const source = put(app, 'big/1/w.bin', randomBytes(8 * MB));
  let touched = false;
  const onProgress = ({ transferred }: Progress) => {
    if (touched || transferred === 0) return;
    touched = true;
    writeFileSync(source, randomBytes(8 * MB));
  };
  await expect(fetch({ onProgress })).rejects.toThrow(Changed);
  expect(files(host)).toEqual([]);
  expect(await fetch()).toMatchObject({ transferred: 8 * MB, resumed: 0 });
  expect(onHost('big/1/w.bin').equals(readFileSync(source))).toBe(true);
});

describe('what stands here already', () => {
  test('is not fetched when it is equal, whatever its time', async () => {
    const data = randomBytes(2 * MB);
    put(app, 'big/1/w.bin', data);
    utimesSync(put(host, 'big/1/w.bin', data), 1, 1);
    const proven = new Set<string>();
    expect(await fetch({ proven })).toMatchObject({ files: 0, transferred: 0 });
    expect(asked).toHaveLength(1);
    await fetch({ proven });
    expect(asked).toHaveLength(1); // known by now
  });

  test('is in the journal before it is overwritten', async () => {
    put(app, 'big/1/w.bin', 'from the container');
    put(host, 'big/1/w.bin', 'trained here, 18 b');
    expect(await fetch()).toMatchObject({ files: 1, kept: ['azureml-models/big/1/w.bin'] });
    expect(onHost('big/1/w.bin').toString()).toBe('from the container');
    const [entry] = journal.entries;
    expect(entry).toMatchObject({
      side: 'host',
      path: 'azureml-models/big/1/w.bin',
      before: { kind: 'file', size: 18 },
    });
    const kept: Uint8Array[] = [];
    for await (const chunk of journal.read(entry?.blob ?? '') ?? []) kept.push(chunk);
    expect(Buffer.concat(kept).toString()).toBe('trained here, 18 b');
  });

  test('and is too large for the journal is left, with its whole model; other models come', async () => {
    const own = Buffer.alloc(JOURNAL_LIMIT + 1, 'h');
    put(host, 'big/1/w.bin', own);
    put(app, 'big/1/w.bin', 'small');
    put(app, 'big/1/new.txt', 'new');
    put(app, 'other/1/m.pkl', 'other');
    await expect(fetch()).rejects.toMatchObject({
      code: 'halted',
      message: expect.stringContaining(
        'Not fetched: big 1. On this machine azureml-models/big/1/w.bin differ',
      ) as string,
      hint: expect.stringContaining('--replace-models') as string,
    });
    expect(onHost('big/1/w.bin').equals(own)).toBe(true);
    expect(files(host)).toEqual(['azureml-models/big/1/w.bin', 'azureml-models/other/1/m.pkl']);
    expect(await fetch({ replace: true })).toMatchObject({ files: 2 });
    expect(onHost('big/1/w.bin').toString()).toBe('small');
  });

  test('and is edited while its successor travels is not overwritten', async () => {
    put(app, 'big/1/w.bin', randomBytes(4 * MB));
    const own = put(host, 'big/1/w.bin', 'mine');
    const onProgress = ({ transferred }: Progress) => {
      if (transferred > 0) writeFileSync(own, 'mine, newer');
    };
    await expect(fetch({ onProgress })).rejects.toThrow(Changed);
    expect(onHost('big/1/w.bin').toString()).toBe('mine, newer');
  });

  test('and is a link is not written through', async () => {
    mkdirSync(join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), join(host, 'azureml-models'));
    put(app, 'big/1/w.bin', 'x');
    await expect(fetch()).rejects.toMatchObject({ code: 'halted' });
    rmSync(join(host, 'azureml-models'));
    mkdirSync(join(host, 'azureml-models'));
    symlinkSync(join(dir, 'elsewhere'), join(host, 'azureml-models/big'));
    await expect(fetch()).rejects.toMatchObject({ code: 'halted' });
    expect(files(join(dir, 'elsewhere'))).toEqual([]);
  });
});

describe('in the container', () => {
  test('the models are found beside mounted code, and not where the app lies in them', () => {
    mkdirSync(join(app, 'code/src'), { recursive: true });
    expect(modelsFolder(join(app, 'code/src'))).toBe(join(app, 'azureml-models'));
    expect(modelsFolder(join(app, 'azureml-models/m/1/mlflow'))).toBeNull();
    expect(modelsFolder(host)).toBe(join(host, 'azureml-models'));
  });

  test('only files of that folder are sent, as they were listed', async () => {
    put(app, 'big/1/w.bin', 'x');
    writeFileSync(join(app, 'secret'), 'no');
    symlinkSync('../../../secret', join(app, 'azureml-models/big/1/link'));
    const folder = join(app, 'azureml-models');
    const ask = async (path: string, from = folder) => {
      const wanted = { folder: from, path, stamp: 's', from: 0, prefix: createHash('sha256').digest('hex') };
      const { stream, opened } = await link.console.open('modelFile', wanted);
      stream.destroy();
      return opened.from;
    };
    expect(await ask('big/1/w.bin')).toBeNull();
    expect(await ask('big/1/link')).toBeNull();
    expect(await ask('big/1')).toBeNull();
    expect(await ask('big/1/w.bin', app)).toBeNull();
    await expect(ask('../secret')).rejects.toMatchObject({ code: 'protocol-violation' });
  });

  test('what comes and goes is told', async () => {
    rmSync(join(app, 'azureml-models'), { recursive: true });
    const told: ModelList[] = [];
    let heard = (): void => undefined;
    const watch = new ModelWatch(
      () => app,
      await list(),
      (news) => {
        told.push(news);
        heard();
      },
    );
    const until = (holds: (last: ModelList) => boolean) =>
      new Promise<void>((resolve) => {
        heard = () => {
          const last = told.at(-1);
          if (last !== undefined && holds(last)) resolve();
        };
        heard();
      });
    const has = (path: string) => (last: ModelList) => last.entries.some((entry) => entry.path === path);
    put(app, 'late/1/w.bin', 'x');
    await until(has('late/1/w.bin'));
    put(app, 'late/2/w.bin', 'x');
    await until(has('late/2/w.bin'));
    rmSync(join(app, 'azureml-models/late/1'), { recursive: true });
    await until((last) => !has('late/1/w.bin')(last));
    watch.close();
    expect(files(app)).toEqual(['azureml-models/late/2/w.bin']);
  });
});
