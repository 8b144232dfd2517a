/** What is on the disk serves, whatever Python has cached; what was good is remembered, whatever is on the disk. */
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { app, EACH, Gunicorn } from '../../support/gunicorn.ts';

const USES = app('', { before: 'import helper\nfrom sub.deep import part', inside: '' }).replace(
  /body = .*/,
  "body = ('%s %s' % (helper.VALUE, part.VALUE)).encode()",
);
const value = (text: string | number) => `VALUE = ${JSON.stringify(text)}\n`;
const FILES = {
  'app.py': USES,
  'helper.py': value(0),
  'sub/__init__.py': '',
  'sub/deep/__init__.py': '',
  'sub/deep/part.py': value(0),
};

describe.each(EACH)('gunicorn $version, hook by $way', (how) => {
  const start = () => Gunicorn.start({ ...how, files: FILES });

  test('saves of the same size within a second, with bytecode of the one before', async () => {
    await using gunicorn = await start();
    // The time that Python writes into its bytecode, kept through all saves.
    const second = Math.floor(Date.now() / 1000);
    for (const [i, name] of ['helper.py', 'sub/deep/part.py', 'helper.py', 'sub/deep/part.py'].entries()) {
      gunicorn.write(name, value(i + 1));
      utimesSync(join(gunicorn.dir, name), second, second);
      await gunicorn.accepted();
    }
    expect((await gunicorn.get()).body).toBe('3 4');
    gunicorn.signal('SIGKILL', (await gunicorn.get()).pid);
    expect((await gunicorn.get()).body).toBe('3 4');
  });

  test('a module that is renamed, and one that becomes a package', async () => {
    await using gunicorn = await start();
    gunicorn.write('app.py', USES.replace('import helper', 'import other as helper'));
    gunicorn.remove('helper.py');
    gunicorn.write('other.py', value('other'));
    await gunicorn.accepted();
    expect((await gunicorn.get()).body).toBe('other 0');
    gunicorn.remove('other.py');
    gunicorn.write('other/__init__.py', value('package'));
    await gunicorn.accepted();
    expect((await gunicorn.get()).body).toBe('package 0');
  });

  test('more source than a pipe holds', async () => {
    await using gunicorn = await start();
    gunicorn.write('helper.py', `${value('large')}${'# a line of a large module\n'.repeat(40_000)}`);
    await gunicorn.accepted();
    gunicorn.write('helper.py', 'raise RuntimeError');
    gunicorn.signal('SIGKILL', (await gunicorn.get()).pid);
    expect((await gunicorn.get()).body).toBe('large 0');
  });
});
