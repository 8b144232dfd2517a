import { describe, expect, test } from 'vitest';
import { hintFor } from '../../../agent/service/hints.ts';
import { parseCause, parseTraceback } from '../../../shared/core/traceback.ts';

const isUser = (file: string): boolean => file.startsWith('/app/');

describe('a traceback in a log', () => {
  test('the last one counts; frames, type and message', () => {
    const text = `2026-11-24 06:46:33 E [9] azmlinfsrv - Encountered Exception Traceback (most recent call last):
  File "/lib/user_script.py", line 77, in invoke_init
    self._user_init()
  File "/app/score.py", line 5, in init
    np.load('x')
    ^^
NameError: name 'np' is not defined

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/score.py", line 9, in init
    raise azureml.Broken('no: model') from error
azureml.exceptions.Broken: no: model
2026-11-24 06:46:34 I [9] more
`;
    expect(parseTraceback(text, isUser)).toEqual({
      type: 'Broken',
      message: 'no: model',
      traceback: expect.stringMatching(/^Traceback[^]*Broken: no: model\n$/) as string,
      frames: [
        {
          file: '/app/score.py',
          line: 9,
          function: 'init',
          code: "raise azureml.Broken('no: model') from error",
          user: true,
        },
      ],
    });
  });

  test('of a syntax error names the line that does not parse', () => {
    const text = `Traceback (most recent call last):
  File "/lib/boot.py", line 1, in <module>
  File "/app/score.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
`;
    expect(parseTraceback(text, isUser)).toMatchObject({
      type: 'SyntaxError',
      frames: [{ user: false }, { file: '/app/score.py', line: 3, function: '<module>', code: 'def f(:', user: true }],
    });
  });

  test('is not there', () => expect(parseTraceback('all well\n', isUser)).toBeNull());
});

describe('hints', () => {
  const context = {
    interpreter: '/env/bin/python',
    env: { AZUREML_MODEL_DIR: '/m' },
    cwd: '/app',
    entryScript: '/app/main.py',
    root: '/app',
  };
  const hint = (type: string, message: string, traceback = '') =>
    hintFor({ type, message, traceback, frames: [] }, context);

  test.each([
    ['ModuleNotFoundError', "No module named 'sklearn.linear_model'", '/env/bin/python -m pip install scikit-learn'],
    ['NameError', "name 'np' is not defined", 'import numpy as np'],
    ['FileNotFoundError', "[Errno 2] No such file or directory: '/m/model.pkl'", 'model-path probe'],
    ['FileNotFoundError', "[Errno 2] No such file or directory: 'data/x.csv'", 'working folder /app'],
    ['FileNotFoundError', "[Errno 2] No such file or directory: '/app/main.py'", 'AZUREML_ENTRY_SCRIPT'],
    ['OSError', '[Errno 98] Address already in use', 'port'],
  ])('%s: %s', (type, message, text) => expect(hint(type, message)).toContain(text));

  test('nothing is said where nothing is known', () =>
    expect(hint('ZeroDivisionError', 'division by zero')).toBeUndefined());
});

describe('the cause', () => {
  const isUser = (file: string) => file.startsWith('/app/');
  const user = `Traceback (most recent call last):
  File "/app/score.py", line 3, in init
    raise KeyError('x')
KeyError: 'x'
`;
  const server = `Traceback (most recent call last):
  File "/lib/server.py", line 9, in setup
    raise UserScriptException(ex) from ex
server.UserScriptException: Caught an unhandled exception from the user script
`;

  test('is the user’s exception that the server’s was raised from', () => {
    const text = `${user}\nThe above exception was the direct cause of the following exception:\n\n${server}bye\n`;
    expect(parseCause(text, isUser)).toMatchObject({ type: 'KeyError', frames: [{ line: 3 }] });
  });

  test('is the last exception where an earlier one is another story', () => {
    expect(parseCause(`${user}\n${server}`, isUser)).toMatchObject({ type: 'UserScriptException' });
    expect(parseCause(`${server}\n${user}`, isUser)).toMatchObject({ type: 'KeyError' });
  });
});
