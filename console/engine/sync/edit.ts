/** Edits that Drydock itself makes in the host's folder for its user: what they replace is journaled. */
import { DrydockError } from '../../../shared/core/errors.ts';
import type { Change, ContentSource, Endpoint, Outcome } from '../../../shared/core/sync/endpoint.ts';
import { firstBatch } from '../../../shared/core/sync/select.ts';
import type { Journal } from './journal.ts';

/** Rejects with `io` where one of the changes was not made; those before it were, and what one batch carries of those after it. */
export async function edit(
  host: Endpoint,
  journal: Journal,
  changes: readonly Change[],
  open: ContentSource['open'],
  now: number,
): Promise<void> {
  for (let rest = changes; rest.length > 0;) {
    const batch = firstBatch(rest);
    const failed = await make(host, journal, batch, open, now);
    if (failed !== null) {
      const reason = failed.result === 'failed' ? `cannot be written: ${failed.message}` : 'was changed meanwhile';
      throw new DrydockError('io', `${failed.path} ${reason}.`, {
        hint: 'Nothing was lost: look at it, and try again.',
      });
    }
    rest = rest.slice(batch.length);
  }
}

/** Resolves with the first that was not made. */
async function make(
  host: Endpoint,
  journal: Journal,
  batch: readonly Change[],
  open: ContentSource['open'],
  now: number,
): Promise<Outcome | null> {
  const outcomes = await host.apply(batch, { open });
  let failed: Outcome | null = null;
  for (const [index, { path, before, after }] of batch.entries()) {
    const outcome = outcomes[index];
    if (outcome?.result !== 'done') {
      failed ??= outcome ?? { path, result: 'failed', reason: 'io', message: 'there was no answer' };
    } else if (before !== null && before.kind !== 'dir') {
      const { data, held } = outcome.victim ?? {};
      const bytes = data ?? (held === undefined ? null : host.readHeld(held));
      await journal.record({ at: now, side: 'host', path, before, after }, bytes);
      if (held !== undefined) await host.release([held]);
    }
  }
  return failed;
}
