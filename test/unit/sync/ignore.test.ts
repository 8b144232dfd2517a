import { expect, test } from 'vitest';
import { compileIgnore } from '../../../shared/core/sync/ignore.ts';

const ignored = (rules: readonly string[], path: string, isDir = path.endsWith('/')) =>
  compileIgnore(rules)(path.replace(/\/$/, ''), isDir);

test.each([
  '.git/',
  '.git/HEAD',
  '.drydock/',
  'pkg/__pycache__/',
  'pkg/__pycache__/a.pyc',
  'a.pyc',
  '.venv/lib/x.py',
  'node_modules/',
  '.env',
  '.env.local',
  '.score.py.swp',
  'score.py~',
  '.#score.py',
  '#score.py#',
  'score.py___jb_tmp___',
  'main.py',
  'conda.yml',
  'model_config_map.json',
  'azureml-models/',
  'azureml-models/m/1/model.pkl',
])('built in: %s', (path) => {
  expect(ignored([], path)).toBe(true);
});

test.each([
  '',
  'score.py',
  'sub/main.py',
  'sub/conda.yml',
  'sub/azureml-models/x',
  'venv.py',
  '.gitignore',
  '.amlignore',
  'environment.py',
])('not built in: %s', (path) => {
  expect(ignored([], path)).toBe(false);
});

test('the user takes a built-in rule back', () => {
  expect(ignored(['!main.py', '!azureml-models/'], 'main.py')).toBe(false);
  expect(ignored(['!azureml-models/'], 'azureml-models/m/1/model.pkl')).toBe(false);
  expect(ignored(['!.env.example'], '.env.example')).toBe(false);
});

test('Drydock’s own folder stays out, whatever the rules say', () => {
  expect(ignored(['!.drydock/', '!**'], '.drydock/stage', true)).toBe(true);
});

test('gitignore’s rules: later lines win, comments, folders, case', () => {
  const rules = ['# data', '*.csv', '!keep.csv', 'out/', '/top.txt', ''];
  expect(ignored(rules, 'a.csv')).toBe(true);
  expect(ignored(rules, 'deep/keep.csv')).toBe(false);
  expect(ignored(rules, 'out', true)).toBe(true);
  expect(ignored(rules, 'out', false)).toBe(false);
  expect(ignored(rules, 'deep/top.txt')).toBe(false);
  expect(ignored(rules, 'A.CSV')).toBe(false);
});
