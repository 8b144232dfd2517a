/** What a failed download or build step means, and what mends it. */
import { DrydockError } from '../../shared/core/errors.ts';
import { plain } from '../text/plain.ts';
import type { Step } from './steps.ts';

/** Lines shown of what was said last. */
const LAST_LINES = 8;

interface Known {
  readonly pattern: RegExp;
  readonly hint: (match: RegExpExecArray) => string;
}

const NETWORK: Known = {
  pattern:
    /Temporary failure in name resolution|Temporary failure resolving|Could not resolve|Connection refused|Network is unreachable|Read timed out|ConnectTimeout/,
  hint: () => 'The container has no way to the network: check the engine’s bridge, DNS and proxy (HTTPS_PROXY).',
};

const PIP: readonly Known[] = [
  {
    pattern: /CERTIFICATE_VERIFY_FAILED/,
    hint: () => 'A proxy with an authority of its own stands between: set PIP_CERT to its PEM file and build again.',
  },
  {
    pattern: /No matching distribution found for (\S+)/,
    hint: ([, name = 'it']) =>
      `Check the name and version of ${name}: it may not exist, or have no release for the base image’s Python.`,
  },
  {
    pattern: /ResolutionImpossible|conflicting dependencies/,
    hint: () => 'Two requirements exclude each other: loosen the version of one that the lines above name.',
  },
  {
    pattern: /Failed building wheel for (\S+)|Could not build wheels for (\S+)|subprocess-exited-with-error/,
    hint: ([, one, other]) =>
      `There is no ready wheel of ${one ?? other ?? 'a package'} for this Python and it could not be compiled: take a version that has one, or a base image with a compiler.`,
  },
  NETWORK,
];

const STEP: readonly Known[] = [
  NETWORK,
  {
    pattern: /Unable to locate package (\S+)/,
    hint: ([, name = '']) => `Run apt-get update in the same RUN, and check the name of the package ${name}.`,
  },
  {
    pattern: /(\S+): (?:command )?not found/,
    hint: ([, name = 'it']) => `The image has no ${name.replace(/:$/, '')}: install it in a RUN line before this one.`,
  },
  {
    pattern: /Permission denied/,
    hint: () => 'Steps run as root: a file lacks its permissions, or the folder is read-only.',
  },
  {
    pattern: /No such file or directory/,
    hint: () =>
      'Steps run in /var/azureml-app, where the project’s files are; check the path, and that no ignore file leaves it out.',
  },
  {
    pattern: /No space left on device/,
    hint: () => 'The engine’s disk is full: docker system df shows what takes it.',
  },
];

export function explainPip(output: string, base: string): DrydockError {
  return new DrydockError('not-well', `The packages cannot be installed on ${base}:\n${lastWords(output)}`, {
    hint: hintFor(PIP, output) ?? 'The lines above are pip’s own; mend the requirements and build again.',
  });
}

/** `output` is all that the builder said; the step that failed is the last that it began. */
export function explainBuild(output: string, steps: readonly Step[], cause: unknown): DrydockError {
  const text = plain(output);
  const began = [...text.matchAll(/^Step (\d+)\/(\d+) : (.*)$/gm)].at(-1);
  const said = began === undefined ? text : text.slice(began.index + began[0].length);
  const instruction = began?.[3]?.replace(/\s+/g, ' ').trim();
  const step = steps.find((known) => known.text.replace(/\s+/g, ' ') === instruction);
  const where = step === undefined ? '' : ` (${step.file}:${step.line})`;
  const what = instruction === undefined ? 'The image cannot be built' : `The build failed at ${instruction}${where}`;
  const reason = said.trim() === '' && cause instanceof Error ? plain(cause.message) : lastWords(said);
  return new DrydockError('not-well', `${what}\n${reason}`, {
    hint: hintFor(STEP, `${said}\n${reason}`) ?? 'Mend that line and build again: the steps before it are kept.',
    cause,
  });
}

function hintFor(known: readonly Known[], output: string): string | undefined {
  for (const { pattern, hint } of known) {
    const match = pattern.exec(output);
    if (match !== null) return hint(match);
  }
  return undefined;
}

function lastWords(output: string): string {
  const lines = plain(output)
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^ ---> |^Removing intermediate/.test(line));
  return lines
    .slice(-LAST_LINES)
    .map((line) => `  ${line}`)
    .join('\n');
}
