import { describe, expect, it } from 'vitest';
import { explain, explainFailure } from '../../../shared/core/explain/explain.ts';
import { explainLine } from '../../../shared/core/explain/match.ts';
import { RULES } from '../../../shared/core/explain/rules.ts';
import { CASES, inServer } from '../../fixtures/explain/cases.ts';
import { HEALTHY } from '../../fixtures/explain/healthy.ts';

describe('the table', () => {
  it('has each ID once, a case for each rule, and a public source', () => {
    const ids = RULES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(CASES.map(({ rule }) => rule))).toEqual(new Set(ids));
    for (const { source } of RULES) expect(source).toMatch(/^https:\/\/(?:github\.com|pypi\.org)\//);
  });

  it.each(CASES.map((each) => [each.rule, each] as const))('%s', (rule, { text, facts, says, stage, place }) => {
    const [best] = explain(text, facts).explanations;
    expect(best?.rule).toBe(rule);
    if (says !== undefined) expect(`${best?.cause ?? ''}\n${best?.mend ?? ''}`).toMatch(says);
    if (stage !== undefined) expect(best?.stage).toBe(stage);
    if (place !== undefined) expect(`${best?.place?.file ?? ''}:${best?.place?.line ?? ''}`).toBe(place);
  });

  it.each(HEALTHY)('says nothing of %s', (_, text) => expect(explain(text).explanations).toEqual([]));
});

describe('a text', () => {
  const text = inServer('import cv2', 'init', "ModuleNotFoundError: No module named 'cv2'");

  it('is explained by its cause, and by what came of it after that', () => {
    const { explanations, traceback } = explain(text);
    expect(explanations.map(({ rule }) => rule)).toEqual(['missing-module', 'boot-failed']);
    expect(explanations[0]).toMatchObject({ at: 9, line: "ModuleNotFoundError: No module named 'cv2'" });
    expect(traceback?.type).toBe('UserScriptException');
  });

  it.each([
    ['docker’s time', (line: string) => `2021-06-30T03:05:58.100660957Z ${line}`],
    ['compose’s name', (line: string) => `service_1  | ${line}`],
  ])('may have %s before each line', (_, prefix) => {
    const [best] = explain(text.split('\n').map(prefix).join('\n')).explanations;
    expect(best).toMatchObject({ rule: 'missing-module', stage: 'init', place: { line: 14, function: 'init' } });
  });

  it('may be a message within a message, its line ends escaped', () => {
    const escaped = JSON.stringify({ error: { message: JSON.stringify({ log: text }) } });
    expect(explain(escaped).explanations[0]).toMatchObject({ rule: 'missing-module', at: 1 });
  });

  it('counts by what happened last', () => {
    const later = inServer('x', 'init', "NameError: name 'pd' is not defined");
    expect(explain(`${text}${later}`).explanations[0]?.rule).toBe('name-error');
    expect(explain(`${later}${text}`).explanations[0]?.rule).toBe('missing-module');
  });

  it('that nothing explains still has its traceback', () => {
    const odd = inServer('x', 'init', 'ZeroDivisionError: division by zero').split('2026-11-24 06:46:33,140')[0] ?? '';
    const { explanations, traceback } = explain(odd);
    expect(explanations).toEqual([]);
    expect(traceback).not.toBeNull();
  });

  it('takes a long one in linear time', () => {
    const long = `${'No module named '.repeat(30_000)}\n${'a'.repeat(500_000)}\n${'(from -r x '.repeat(40_000)}\n`;
    expect(explain(long).explanations.length).toBeLessThan(3);
  });
});

describe('workers that boot again and again', () => {
  const boot = (pid: number) => `[2026-11-24 09:08:17 +0000] [${pid}] [INFO] Booting worker with pid: ${pid}`;
  it('are no loop where several are started at once, a reload was asked for, or requests were answered', () => {
    const between = (line: string) => [boot(1), line, boot(2), line, boot(3), line].join('\n');
    expect(explain([1, 2, 3, 4, 5].map(boot).join('\n')).explanations).toEqual([]);
    expect(explain(between('[1] [INFO] Handling signal: hup')).explanations).toEqual([]);
    expect(explain(between('127.0.0.1 - - "POST /score HTTP/1.1" 200 7')).explanations).toEqual([]);
  });
});

describe('a line', () => {
  const nothing = () => '';
  it('says what it can by itself', () => {
    expect(explainLine("NameError: name 'np' is not defined", nothing)?.mend).toBe('add the line `import numpy as np`');
    expect(explainLine("KeyError: 'HOME'", nothing)).toBeNull();
    expect(explainLine("KeyError: 'HOME'", () => 'os.environ["HOME"]')?.rule).toBe('environment-variable');
    expect(explainLine('Booting worker with pid: 3', nothing)).toBeNull();
  });
});

describe('a failure', () => {
  it('is told in the words of who runs it', () => {
    const failure = {
      type: 'ModuleNotFoundError',
      message: "No module named 'sklearn.svm'",
      traceback: '',
      frames: [],
    };
    expect(explainFailure(failure, { interpreter: '/env/bin/python' })?.mend).toContain(
      '/env/bin/python -m pip install scikit-learn',
    );
    expect(explainFailure({ ...failure, type: 'ZeroDivisionError', message: 'division by zero' })).toBeNull();
  });
});
