/** What a failed download or build step means, and what mends it. */
import { DrydockError } from '../../shared/core/errors.ts';
import { explain } from '../../shared/core/explain/explain.ts';
import { plain } from '../text/plain.ts';
import type { Step } from './steps.ts';

/** Lines shown of what was said last. */
const LAST_LINES = 8;

export function explainPip(output: string, base: string): DrydockError {
  return new DrydockError('not-well', `The packages cannot be installed on ${base}:\n${lastWords(output)}`, {
    hint: hintFor(output) ?? 'The lines above are pip’s own; mend the requirements and build again.',
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
    hint: hintFor(`${said}\n${reason}`) ?? 'Mend that line and build again: the steps before it are kept.',
    cause,
  });
}

function hintFor(output: string): string | undefined {
  const said = explain(plain(output)).explanations[0];
  return said === undefined ? undefined : `${said.cause.charAt(0).toUpperCase()}${said.cause.slice(1)}: ${said.mend}.`;
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
