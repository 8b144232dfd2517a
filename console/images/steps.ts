/** A steps file: the lines of a Dockerfile that Azure's image builder accepts after the project was unpacked. */
import { DrydockError } from '../../shared/core/errors.ts';

/** Azure takes only these in a steps file. */
const ALLOWED: ReadonlySet<string> = new Set(['ARG', 'ENV', 'EXPOSE', 'LABEL', 'RUN']);

export interface StepsFile {
  /** As the user named it, for messages. */
  readonly name: string;
  readonly text: string;
}

export interface Step {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** In one line, without continuations: as the builder prints it. */
  readonly text: string;
}

/** The steps of a file; rejects with `usage` when it holds an instruction that Azure's image builder refuses. */
export function parseSteps({ name, text }: StepsFile): readonly Step[] {
  const steps: Step[] = [];
  let open: { line: number; parts: string[] } | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    // Docker drops comments and empty lines inside a continued instruction too.
    if (line === '' || line.startsWith('#')) continue;
    const continued = line.endsWith('\\');
    open ??= { line: index + 1, parts: [] };
    open.parts.push(continued ? line.slice(0, -1).trim() : line);
    if (continued) continue;
    steps.push({ file: name, line: open.line, text: open.parts.join(' ') });
    open = null;
  }
  if (open !== null) steps.push({ file: name, line: open.line, text: open.parts.join(' ') });
  for (const step of steps) {
    const instruction = step.text.split(/\s/, 1)[0] ?? '';
    if (!ALLOWED.has(instruction.toUpperCase())) {
      throw new DrydockError('usage', `${step.file}:${step.line}: ${instruction} may not stand in a steps file.`, {
        hint: 'Azure’s image builder takes only ARG, ENV, EXPOSE, LABEL and RUN there. Files belong into the project or a --dependency folder.',
      });
    }
  }
  return steps;
}
