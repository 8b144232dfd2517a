import { describe, expect, it } from 'vitest';
import { parseSteps } from '../../../console/images/steps.ts';

const parse = (text: string) => parseSteps({ name: 'Dockerfile.steps', text });

describe('parseSteps', () => {
  it('knows each step by the line on which it begins', () => {
    const text = '# vim\n\nRUN apt-get update && \\\n    # the editor\n    apt-get install -y vim\nENV A=1\n';
    expect(parse(text)).toEqual([
      { file: 'Dockerfile.steps', line: 3, text: 'RUN apt-get update && apt-get install -y vim' },
      { file: 'Dockerfile.steps', line: 6, text: 'ENV A=1' },
    ]);
  });

  it('takes what Azure takes, in any case', () => {
    const lines = ['ARG X=1', 'env A=1', 'EXPOSE 5678', 'LABEL a=b', 'RUN true'];
    expect(parse(lines.join('\n')).map(({ text }) => text)).toEqual(lines);
  });

  it.each(['COPY a b', 'ADD a b', 'USER root', 'FROM x', 'WORKDIR /', 'CMD ["x"]'])(
    'refuses %s, with its line',
    (line) => {
      expect(() => parse(`RUN true\n${line}\n`)).toThrow(
        /^Dockerfile\.steps:2: [A-Z]+ may not stand in a steps file\.$/,
      );
    },
  );
});
