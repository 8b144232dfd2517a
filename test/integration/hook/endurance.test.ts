/** Many candidates: no request fails, and nothing grows. */
import { describe, expect, test } from 'vitest';
import { app, COUNTABLE, Gunicorn } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  // The threads of 19.9 need an older Python.
  test.each(version === '19.9.0' ? ['sync'] : ['sync', 'gthread'])(
    '100 candidates under load, %s workers',
    async (kind) => {
      await using gunicorn = await Gunicorn.start({ version, way: 'live', args: ['-k', kind] });
      await gunicorn.accepted(); // the worker of before the hook ends as gunicorn's own: gthread's drops what it has not read
      const hammer = gunicorn.hammer({ perSecond: 20 });
      for (let i = 2; i <= 101; i++) {
        gunicorn.write('app.py', app(i));
        await gunicorn.accepted();
        // One that is told between its look whether it goes on and its accept answers once more, as gunicorn's own leave.
        await gunicorn.until('no worker that leaves', () => gunicorn.workers.length === 1);
        expect((await gunicorn.get()).body).toBe(String(i));
      }
      const answers = await hammer.stop();
      expect([...answers.keys()].filter((answer) => !/^200 \d+$/.test(answer))).toEqual([]);
    },
  );

  test('200 candidates, half of them refused: neither memory nor descriptors nor processes grow', async () => {
    const files = { 'app.py': app('first'), 'conf.py': COUNTABLE };
    await using gunicorn = await Gunicorn.start({ version, way: 'live', files, args: ['-c', 'conf.py'] });
    const round = async (i: number) => {
      gunicorn.write('app.py', app(i));
      await gunicorn.accepted();
      gunicorn.write('app.py', app(i, { before: i % 2 === 0 ? 'raise ValueError' : 'os._exit(3)' }));
      await gunicorn.rejected();
      await gunicorn.until('one worker', () => gunicorn.workers.length === 1);
    };
    for (let i = 0; i < 20; i++) await round(i); // Python's own pools are filled
    const before = gunicorn.usage();
    for (let i = 20; i < 100; i++) await round(i);
    await gunicorn.until('no descriptor more', () => gunicorn.usage().descriptors <= before.descriptors);
    expect(gunicorn.usage().rss - before.rss).toBeLessThan(1024);
  });
});
