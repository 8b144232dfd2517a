/** Runs one of the kit's Python files as the serving worker would run Python. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { identity, type WorkerContext } from './worker.ts';

/** Importing azureml-core on a cold disk takes seconds. */
const DEADLINE_MS = 120_000;
const MAX_OUTPUT = 16 * 1024;

export interface PythonAnswer {
  /** What it wrote to descriptor 3; empty when it failed. */
  readonly answer: string;
  /** The last of what it printed. */
  readonly output: string;
}

export async function runPython(
  kitDir: string,
  file: string,
  worker: WorkerContext,
  spec: object,
): Promise<PythonAnswer> {
  const child = spawn(
    worker.interpreter,
    [...worker.command.flags, join(kitDir, 'python', file), JSON.stringify(spec)],
    {
      cwd: worker.cwd,
      env: { ...worker.env, PYTHONDONTWRITEBYTECODE: '1' },
      ...identity(worker),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    },
  );
  const read = async (stream: unknown): Promise<string> => (stream instanceof Readable ? text(stream) : '');
  const failed = new Promise<string>((resolve) => child.once('error', (error) => resolve(error.message)));
  const all = Promise.all([read(child.stdio[3]), read(child.stdout), read(child.stderr)]);
  const ended = await Promise.race([failed, all]);
  if (typeof ended === 'string') return { answer: '', output: ended };
  return { answer: ended[0], output: `${ended[1]}${ended[2]}`.slice(-MAX_OUTPUT) };
}

/** Its answer, parsed; null when the text is no such answer. */
export function parseFacts<F>(schema: z.ZodType<F>, text: string): F | null {
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
