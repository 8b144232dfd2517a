/** The debuggers for Pythons that debugpy has left behind, in the oldest Python that can be had: 3.7. */
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeLaunch } from '../../../console/engine/launch-json.ts';
import { DEBUGPY } from '../../../setup/debugpy.ts';
import { DapClient, launchEntry } from '../../support/dap.ts';
import { python } from '../../support/python.ts';
import { python37 } from '../../support/pythons.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const HOOK = join(ROOT, 'agent/hook/python');
const KIT = join(ROOT, 'dist/kit/debugpy');

/** Runs as a worker does: a debugger is let in, then each line is a request. */
const WORKER = `import json, sys
sys.path.insert(0, sys.argv[1])
from drydock_hook import debugger
print(json.dumps(debugger.listen(sys.argv[2])), flush=True)
import score
for line in sys.stdin:
    print(score.run(int(line)), flush=True)
`;
const SCORE = `def run(rows):
    count = rows * 2
    return count
`;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-debugpy-'));
  writeFileSync(join(dir, 'worker.py'), WORKER);
  writeFileSync(join(dir, 'score.py'), SCORE);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const CHOICE = `import json, os, sys
sys.path.insert(0, sys.argv[1])
from drydock_hook import debugger
versions = [(2, 7), (3, 4), (3, 5), (3, 6), (3, 7), (3, 8), (3, 9), (3, 14)]
def name(version):
    try:
        return os.path.basename(debugger.archive_for(sys.argv[2], version))
    except RuntimeError as error:
        return str(error)
print(json.dumps({'%d.%d' % version: name(version) for version in versions}))`;

test('each Python gets its archive', async () => {
  const { stdout } = await execa((await python()).path, ['-c', CHOICE, HOOK, KIT]);
  const none = (version: string) => `the image has no debugpy, and the kit has none for Python ${version}`;
  expect(JSON.parse(stdout)).toEqual({
    '2.7': none('2.7'),
    '3.4': none('3.4'),
    '3.5': '3.5.zip',
    '3.6': '3.5.zip',
    '3.7': '3.7.zip',
    '3.8': '3.8.zip',
    '3.9': '3.8.zip',
    '3.14': '3.8.zip',
  });
});

test.each(['3.7', '3.5'] as const)('the archive for Python %s lets a debugger into Python 3.7', async (first) => {
  const { path } = await python37();
  const kit = join(dir, first);
  mkdirSync(kit);
  for (const file of globSync(join(KIT, `${first}.*`))) cpSync(file, join(kit, basename(file)));
  const worker = execa(path, [join(dir, 'worker.py'), HOOK, kit], { reject: false });
  try {
    const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<unknown> => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error((await worker).stderr);
      return JSON.parse(value);
    };
    const { port, ...told } = (await line()) as { port: number };
    expect(told).toEqual({ version: DEBUGPY[first], own: false });
    using client = await DapClient.connect(port);
    const launch = await writeLaunch({ name: 'old', port, way: 'connect', dir, root: dir });
    await client.attach(launchEntry(launch.file), { [join(dir, 'score.py')]: [3] });
    worker.stdin.write('20\n');
    const stop = await client.stopped();
    expect(stop).toMatchObject({ name: 'run', line: 3, path: join(dir, 'score.py') });
    const { reference, values } = await client.locals(stop.frameId);
    expect(values['count']).toBe('40');
    await client.ask('setVariable', { variablesReference: reference, name: 'count', value: '41' });
    await client.ask('continue', { threadId: stop.threadId });
    expect(await line()).toBe(41);
  } finally {
    worker.kill('SIGKILL');
    await worker;
  }
});
