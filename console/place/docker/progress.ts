/** What the engine says while it builds, pulls, imports or loads. */
import { DrydockError } from '../../../shared/core/errors.ts';
import { jsonLines } from './json-lines.ts';

interface Progress {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progress?: string;
  readonly aux?: { readonly ID?: string };
  readonly errorDetail?: { readonly message?: string };
}

/**
 * Follows one to its end; a failure comes as the last line, long after status 200, and rejects with `not-well`.
 * Resolves with the image that `aux` named and with the last status.
 */
export async function followProgress(
  body: NodeJS.ReadableStream,
  onText: (text: string) => void = () => undefined,
): Promise<{ readonly id: string | undefined; readonly last: string }> {
  let id: string | undefined;
  let last = '';
  for await (const line of jsonLines<Progress>(body)) {
    if (line.errorDetail !== undefined) {
      throw new DrydockError('not-well', line.errorDetail.message ?? 'The engine gave no reason.');
    }
    id = line.aux?.ID ?? id;
    last = line.status ?? last;
    const words = [line.id === undefined ? '' : `${line.id}:`, line.status ?? '', line.progress ?? ''];
    const text = line.stream ?? words.filter((word) => word !== '').join(' ');
    if (text !== '') onText(text);
  }
  return { id, last };
}
