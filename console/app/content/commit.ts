/** The commit dialog: what will be in the image, how it goes, and what can be done with it. */
import type { StartCheck } from '../../../shared/core/service.ts';
import { describeStart } from '../../text/reload.ts';
import type { CommitPreview } from '../../engine/view.ts';
import { bytes, count, duration, elapsed, spinner } from '../format.ts';
import { cutPath, pad, span, wrapWords, type Row, type Span } from '../rows.ts';
import type { CommitStep } from '../state.ts';

export function commitRows(step: CommitStep, start: StartCheck | null, now: number, columns: number): Row[] {
  switch (step.at) {
    case 'preview':
      return [
        wait('looking at what differs from the image', step.since, now),
        ...(step.early ? [[span('   Enter is kept: it commits as soon as that is known. Esc cancels.', 'dim')]] : []),
      ];
    case 'ready':
      return previewRows(step.preview, start, columns);
    case 'committing':
      return [wait(`committing ${step.tag}`, step.since, now)];
    case 'done':
      return [
        [span(' ✓ ', 'good'), span(step.result.tag, 'strong'), span(` is there after ${duration(step.result.ms)}`)],
        ...startRows(start, columns),
        ...notes(step.result.notes, columns),
        [],
        ...sentence('Enter starts it as a new container on free ports, beside this one.', columns),
      ];
    case 'starting':
      return [wait(`starting a container from ${step.result.tag}`, step.since, now)];
    case 'started':
      return [
        [span(' ✓ ', 'good'), span(step.run.name, 'strong'), span(' runs '), span(step.result.tag, 'strong')],
        ...(step.run.scoreUrl === null ? [] : [[span('   '), span(step.run.scoreUrl, 'accent')]]),
        [],
        ...sentence(`Attach to it with: drydock attach ${step.run.name}`, columns),
      ];
    case 'failed':
      return [
        ...wrapWords(step.trouble.message, columns - 4).map((row, index): Row => [
          span(index === 0 ? ' ✗ ' : '   ', 'bad'),
          span(row),
        ]),
        ...(step.trouble.hint === undefined ? [] : sentence(`→ ${step.trouble.hint}`, columns)),
      ];
  }
}

function previewRows(preview: CommitPreview, start: StartCheck | null, columns: number): Row[] {
  const { changed, others } = preview;
  const head: Span[] = [
    span(' '),
    span(preview.tag, 'strong'),
    span(`   from ${preview.from}   ${bytes(preview.size)} in its new layer`),
  ];
  return [
    head,
    ...startRows(start, columns),
    ...notes(preview.notes, columns),
    [],
    [
      span(
        changed.length === 0
          ? ' No file of the app differs from the image.'
          : ` ${count(changed.length, 'file')} of the app differ${changed.length === 1 ? 's' : ''} from ${preview.from}`,
      ),
    ],
    ...changed.map(({ path, kind }): Row => [
      span(`   ${pad(kind, 9)} `, kind === 'added' ? 'good' : kind === 'deleted' ? 'bad' : 'warn'),
      span(cutPath(path, columns - 14)),
    ]),
    ...(others > 0 ? [[span(`   and ${count(others, 'path')} outside the app folder`, 'dim')]] : []),
  ];
}

/** Whether a container from the image would serve. */
function startRows(start: StartCheck | null, columns: number): Row[] {
  if (start === null) return [[span('   trying a fresh start of this code …', 'dim')]];
  const warning = describeStart(start);
  if (warning !== null) return notes([warning], columns);
  return start.skipped === undefined ? [[span(' ✓ ', 'good'), span('a fresh start serves this code')]] : [];
}

function notes(texts: readonly string[], columns: number): Row[] {
  return texts.flatMap((text) =>
    wrapWords(text, columns - 4).map((row, index): Row => [span(index === 0 ? ' ! ' : '   ', 'warn'), span(row)]),
  );
}

function sentence(text: string, columns: number): Row[] {
  return wrapWords(text, columns - 4).map((row) => [span('   '), span(row)]);
}

function wait(what: string, since: number, now: number): Row {
  return [span(` ${spinner(since, now)} `, 'accent'), span(`${what} … ${elapsed(now - since)}`)];
}
