/** Running us leaves no bytecode of ours behind, and the user's is made as ever. */
import { globSync } from 'node:fs';
import { expect, test } from 'vitest';
import { app, EACH, Gunicorn } from '../../support/gunicorn.ts';

test.each(EACH)('gunicorn $version, hook by $way', async (how) => {
  const files = {
    'app.py': app('old', { before: 'import installed, sys\nprint("wrote:", not sys.dont_write_bytecode)' }),
    'site-packages/installed.py': '',
  };
  await using gunicorn = await Gunicorn.start({ ...how, files, sites: ['site-packages'] });
  await gunicorn.accepted();
  await gunicorn.channel.warm(['installed'], []);
  gunicorn.write('app.py', 'raise RuntimeError\n');
  await gunicorn.rejected();
  await gunicorn.trial();
  expect(gunicorn.bytecode).toEqual([]);
  expect(gunicorn.output.match(/wrote: .*/g)).toEqual(gunicorn.output.match(/wrote: True/g));
  expect(globSync('site-packages/__pycache__/installed.*', { cwd: gunicorn.dir })).toHaveLength(1);
});
