import { describe, expect, it } from 'vitest';
import { explainBuild, explainPip } from '../../../console/images/explain.ts';

const steps = [{ file: 'Dockerfile.steps', line: 4, text: 'RUN apt-get install -y vlm' }];

describe('explainBuild', () => {
  it('names the step, its line, its last words and the mend', () => {
    const output = [
      'Step 1/3 : FROM base',
      ' ---> 123',
      'Step 2/3 : RUN apt-get   install -y vlm',
      ' ---> Running in 99',
      'Reading package lists...',
      'E: Unable to locate package vlm',
    ].join('\n');
    const error = explainBuild(output, steps, new Error('returned a non-zero code: 100'));
    expect(error.code).toBe('not-well');
    expect(error.message).toContain('RUN apt-get install -y vlm (Dockerfile.steps:4)');
    expect(error.message).toContain('Unable to locate package vlm');
    expect(error.message).not.toContain('Running in');
    expect(error.hint).toMatch(/apt-get update.*vlm/);
  });

  it('takes the engine’s reason where the step said nothing', () => {
    const error = explainBuild(
      'Step 1/1 : RUN false\n',
      [],
      new Error("The command 'false' returned a non-zero code: 1"),
    );
    expect(error.message).toContain('non-zero code: 1');
    expect(error.hint).toBeDefined();
  });

  it('shows no control characters', () => {
    expect(explainBuild('Step 1/1 : RUN x\n\u001b[31mred\u001b[0m', [], null).message).not.toContain('\u001b');
  });
});

describe('explainPip', () => {
  it.each([
    ['ERROR: No matching distribution found for azureml-cores==1', /azureml-cores==1/],
    ['SSLError(SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]"))', /PIP_CERT/],
    ['ERROR: ResolutionImpossible: for help', /exclude each other/],
    ['ERROR: Failed building wheel for pycrypto', /wheel of pycrypto/],
    ['something else', /mend the requirements/],
  ])('%s', (output, hint) => {
    expect(explainPip(output, 'base:1').hint).toMatch(hint);
  });
});
