/** Python 3.8 is promised, and can't be had here: what we run in a service needs no later one. */
import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { python, site } from '../../support/python.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const FILES = globSync('agent/**/*.py', { cwd: ROOT });

const PARSE = `import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, 'rb').read(), name, feature_version=(3, 8))`;

test('its syntax', async () => {
  expect(FILES).toContain('agent/hook/python/drydock_hook/master.py');
  await execa((await python()).path, ['-c', PARSE, ...FILES], { cwd: ROOT });
});

test('its standard library', async () => {
  const vermin = await site('vermin', ['vermin==1.9.2']);
  const args = [`${vermin}/bin/vermin`, '-t=3.8-', '--violations', '--no-tips', ...FILES];
  const { stdout } = await execa((await python()).path, args, { cwd: ROOT, env: { PYTHONPATH: vermin } });
  expect(stdout).toContain(`Analyzing ${FILES.length} files`);
});
