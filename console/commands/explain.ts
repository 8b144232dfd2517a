import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { explain as explainText, type Found, type Report } from '../../shared/core/explain/explain.ts';
import type { Place } from '../../shared/core/explain/rule.ts';
import { bytes } from '../app/format.ts';
import { plain } from '../text/plain.ts';
import { describeFailure } from '../text/reload.ts';
import { userDir } from './context.ts';
import type { Reporter } from './report.ts';

/** Bytes of a text that are read: the last ones, where a log says why it ended. */
const MOST = 4 * 1024 * 1024;
/** Explanations beside the first that are shown. */
const OTHERS = 4;

interface Input {
  readonly text: string;
  /** Of the whole, as far as it was seen. */
  readonly size: number;
}

/** What a text says, where, why, and what mends it: a build's log, a container's, a message of Azure. `-` is stdin. */
export async function explain(
  reporter: Reporter,
  file: string,
  stdin: AsyncIterable<Uint8Array> = process.stdin,
): Promise<number> {
  const { text, size } = file === '-' ? await readStream(stdin) : await readEnd(resolve(userDir(), file));
  const cut = size > MOST;
  if (cut)
    reporter.step(
      `${file} has ${bytes(size)}; only the last ${bytes(MOST)} are looked at, and lines are counted from there.`,
    );
  const report = explainText(plain(text));
  const explanations = report.explanations.map(({ place, ...said }) => ({ ...said, ...where(place) }));
  const traceback = report.traceback === null ? null : describeFailure(report.traceback);
  reporter.answer(
    { explained: explanations.length > 0, bytes: size, cut, explanations, traceback },
    report.explanations.length === 0 ? unknown(report) : known(report.explanations),
  );
  return report.explanations.length === 0 ? 1 : 0;
}

const where = (place: Place | undefined): { readonly file: string | null; readonly fileLine: number | null } =>
  place === undefined ? { file: null, fileLine: null } : { file: place.file, fileLine: place.line };

function known([first, ...others]: readonly Found[]): string {
  if (first === undefined) return '';
  const shown = others.slice(0, OTHERS);
  return [
    `${first.stage}${placed(first)}`,
    `  line ${first.at}: ${first.line}`,
    `  cause: ${first.cause}`,
    `  mend:  ${first.mend}`,
    `  known: ${first.rule}, from ${first.source}`,
    ...(shown.length === 0 ? [] : ['', 'It also says:']),
    ...shown.map((found) => `  ${found.stage}${placed(found)}, line ${found.at}: ${found.cause}`),
    ...(others.length > shown.length ? [`  and ${others.length - shown.length} more: --json has them`] : []),
  ].join('\n');
}

/** ` at score.py:14, in init()`; nothing where no place is known. */
function placed({ place }: Found): string {
  if (place === undefined) return '';
  const inside = place.function === undefined || place.function.startsWith('<') ? '' : `, in ${place.function}()`;
  return ` at ${place.file}:${place.line}${inside}`;
}

function unknown({ traceback }: Report): string {
  const seen =
    traceback === null ? 'It holds no Python traceback.' : `Its last traceback: ${describeFailure(traceback)}`;
  return `No rule knows what this text says. ${seen}\n  Give it more of the text (the whole log, not its end); what the last lines before the failure name is where to begin.`;
}

async function readEnd(path: string): Promise<Input> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new DrydockError('usage', `${path} cannot be read.`, {
      hint: 'Name a text file, or - for what is piped in: docker logs NAME 2>&1 | drydock explain -',
      cause,
    });
  });
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, MOST));
    const { bytesRead } = await handle
      .read(buffer, 0, buffer.length, Math.max(0, size - MOST))
      .catch((cause: unknown) => {
        throw new DrydockError('usage', `${path} is no file that can be read.`, { hint: 'Name a text file.', cause });
      });
    return { text: buffer.subarray(0, bytesRead).toString(), size };
  } finally {
    await handle.close();
  }
}

async function readStream(stream: AsyncIterable<Uint8Array>): Promise<Input> {
  let kept: Uint8Array[] = [];
  let held = 0;
  let size = 0;
  for await (const chunk of stream) {
    kept.push(chunk);
    held += chunk.length;
    size += chunk.length;
    if (held > 2 * MOST) {
      kept = [Buffer.concat(kept).subarray(-MOST)];
      held = MOST;
    }
  }
  return { text: Buffer.concat(kept).subarray(-MOST).toString(), size };
}
