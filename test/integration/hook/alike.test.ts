/** What is said of code that fails is the same, whether a candidate or a trial has tried it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHookFailure } from '../../../agent/service/failure.ts';
import { app, Gunicorn } from '../../support/gunicorn.ts';

let gunicorn: Gunicorn;
beforeAll(async () => {
  gunicorn = await Gunicorn.start({ version: '23.0.0', way: 'live', files: { 'app.py': app('old') } });
});
afterAll(() => gunicorn[Symbol.asyncDispose]());

test.each([
  ['an exception', 'import helper', 'raise RuntimeError("no model")'],
  [
    'one that came of another',
    'import helper',
    'try:\n    {}["x"]\nexcept KeyError as e:\n    raise ValueError() from e',
  ],
  ['one that cannot be printed', 'import helper', 'class E(Exception):\n    def __str__(self): raise self\nraise E'],
  ['an error of syntax', 'import helper', 'def f(:'],
  ['a deep one', 'def init(n):\n    return init(n - 1) if n else 1 / 0\ninit(100)', ''],
  ['sys.exit()', 'import sys\nsys.exit("enough")', ''],
])('%s', async (_, before, helper) => {
  gunicorn.write('helper.py', helper);
  gunicorn.write('app.py', app('new', { before }));
  const { failure } = await gunicorn.rejected();
  if (failure === undefined) throw new Error('nothing was said of it');
  expect((await gunicorn.trial())?.error).toMatchObject(fromHookFailure(failure));
});

test('good code', async () => {
  gunicorn.write('app.py', app('new'));
  const { files } = await gunicorn.accepted();
  expect(await gunicorn.trial()).toMatchObject({ stage: 'import', files });
});
