import { DrydockError } from '../../shared/core/errors.ts';
import { LineSplitter } from '../engine/lines.ts';
import { chooseContainer, complete, openPlace } from './context.ts';
import type { Reporter } from './report.ts';

export interface LogFlags {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly grep?: string;
}

export async function logs(reporter: Reporter, named: string | undefined, flags: LogFlags): Promise<number> {
  const { ref } = await complete(named, {});
  const filter = flags.grep === undefined ? null : pattern(flags.grep);
  const place = await openPlace();
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  try {
    // A container that has ended has a log all the same, and that is when it is read most.
    const target = await place.open(await chooseContainer(place, ref), { stopped: true });
    const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
    const print = (stream: 'stdout' | 'stderr', lines: readonly string[]) => {
      for (const line of lines) if (filter?.test(line) !== false) reporter.answer({ stream, line }, line);
    };
    const options = { follow: flags.follow === true, signal: abort.signal };
    for await (const { stream, data } of target.logs(
      flags.tail === undefined ? options : { ...options, tail: flags.tail },
    )) {
      print(stream, splitters[stream].push(data));
    }
    for (const stream of ['stdout', 'stderr'] as const) print(stream, splitters[stream].end());
    return 0;
  } finally {
    await place.close();
  }
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new DrydockError('usage', `--grep ${text} is no regular expression.`, {
      hint: 'Escape special characters with \\.',
      cause,
    });
  }
}
