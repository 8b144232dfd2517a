import { describe, expect, test } from 'vitest';
import { optionValue, parseAzmlinfsrv, parsePython, serverKind } from '../../../agent/service/argv.ts';

const words = (line: string): string[] => line.split(' ');

describe('a Python command line', () => {
  test.each([
    ['/usr/bin/python3 /usr/local/bin/azmlinfsrv --port 5001', [], 'script', '/usr/local/bin/azmlinfsrv', 'azmlinfsrv'],
    ['python -u -X dev -m gunicorn -w 2 app:app', ['-u', '-X', 'dev'], 'module', 'gunicorn', 'gunicorn'],
    [
      'python3.8 -um azureml_inference_server_http.amlserver',
      ['-u'],
      'module',
      'azureml_inference_server_http.amlserver',
      'azmlinfsrv',
    ],
    [
      '/usr/bin/qemu-aarch64 /venv/bin/python3.11 /venv/bin/gunicorn app',
      [],
      'script',
      '/venv/bin/gunicorn',
      'gunicorn',
    ],
    ['python -Wignore -m uvicorn main:app', ['-W', 'ignore'], 'module', 'uvicorn', 'other'],
    [
      '/opt/miniconda/bin/python /opt/miniconda/bin/conda run -n inf gunicorn app:app',
      [],
      'script',
      '/opt/miniconda/bin/conda',
      'other',
    ],
  ] as const)('%s', (line, flags, kind, name, server) => {
    const command = parsePython(words(line));
    expect(command).toMatchObject({ flags, program: { kind, name } });
    expect(command && serverKind(command)).toBe(server);
  });

  test.each(['sh -c gunicorn', 'runsv gunicorn', 'python -c print(1)', 'python', '', 'gunicorn: master [app:app]'])(
    '%s is none',
    (line) => expect(parsePython(words(line))).toBeNull(),
  );
});

test('azmlinfsrv takes `=`, and beginnings of options as argparse does', () => {
  expect(parseAzmlinfsrv(words('--entry score.py --model_dir=/m --port 6000 --rest'))).toEqual({
    entry_script: 'score.py',
    model_dir: '/m',
    port: '6000',
    rest: true,
  });
});

test('an option’s value stands behind it or behind `=`; the last one counts', () => {
  expect(optionValue(words('main:app --port 80 --port=8080'), '--port')).toBe('8080');
  expect(optionValue(words('main:app -p 81'), '--port', '-p')).toBe('81');
  expect(optionValue(words('main:app'), '--port')).toBeNull();
});
