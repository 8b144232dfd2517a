import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseSettings } from '../../../console/commands/parse-settings.ts';
import { readSettings } from '../../../console/commands/settings.ts';

const parse = (text: string) => parseSettings(text, '/p/drydock.yaml');

test('says what flags would say; `dir` is relative to the file', () => {
  const text = 'container: debug\ndir: src\nroot: /srv/app\nport: 8080\nscore_path: /invocations\nhealth_path: /ping\n';
  expect(parse(text)).toEqual({
    container: 'debug',
    dir: '/p/src',
    root: '/srv/app',
    port: 8080,
    scorePath: '/invocations',
    healthPath: '/ping',
  });
  expect(parse('# nothing yet\n')).toEqual({});
});

test.each([
  ['# c\nprt: 1\n', 'line 2: there is no key `prt`.'],
  ['root: /a\n\nport: many\n', 'line 3: `port` must be a port, 1 to 65535.'],
  ['port: 70000\n', 'line 1: `port` must be a port, 1 to 65535.'],
  ['score_path: score\n', 'line 1: `score_path` must be a route, such as /score.'],
  ['root: app\n', 'line 1: `root` must be an absolute path in the container.'],
  ['root: /a\nroot: /b\n', 'line 2: Map keys must be unique.'],
  ['port: [1\n', 'line 2: Flow sequence in block collection must be'],
  ['- a\n', 'line 1: must be `key: value` lines.'],
])('%j is wrong', (text, message) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: expect.stringContaining(`/p/drydock.yaml, ${message}`) as string,
      hint: 'It may hold: container, dir, root, port, score_path, health_path, capture, redact.',
    }),
  );
});

test('the host folder’s file goes before the nearest above where the user is', async () => {
  const top = mkdtempSync(join(tmpdir(), 'drydock-settings-'));
  mkdirSync(join(top, 'a/b'), { recursive: true });
  mkdirSync(join(top, 'host'));
  writeFileSync(join(top, 'drydock.yaml'), 'port: 1\n');
  expect(await readSettings([join(top, 'a/b')])).toEqual({ port: 1 });
  writeFileSync(join(top, 'a/drydock.yaml'), 'port: 2\n');
  expect(await readSettings([join(top, 'a/b')])).toEqual({ port: 2 });
  writeFileSync(join(top, 'host/drydock.yaml'), 'port: 3\n');
  expect(await readSettings([join(top, 'host'), join(top, 'a/b')])).toEqual({ port: 3 });
  rmSync(top, { recursive: true });
});
