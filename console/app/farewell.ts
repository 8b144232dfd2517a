/** What stays on the normal screen when the console has gone. */
import type { View } from '../engine/view.ts';
import { plainLine } from '../text/plain.ts';

/** One line: what goes on without the console, and how to come back. `attach` is the command before the name. */
export function farewell(view: View | null, attach: string): string {
  if (view === null) return '';
  const { name } = view.container;
  if (view.link.phase === 'failed') {
    const { message, hint } = view.link.error;
    return plainLine(`Left ${name}: ${message} ${hint ?? ''}`.trimEnd());
  }
  const edits = view.sync.mode === 'sync' ? '; edits no longer travel' : '';
  return plainLine(`${name} goes on${edits}. Back to it: ${attach} ${name}`);
}
