/** One round of synchronisation, decided: three trees in, what each side has to change out. No I/O. */
import { agree, type Agreement, type Trees } from './agree.ts';
import type { Change } from './endpoint.ts';
import { merge, type Conflict, type Frozen } from './merge.ts';

export interface Plan {
  /** The three trees after what both sides hold already became base; equal subtrees are one object in all three. */
  readonly agreed: Agreement;
  readonly host: readonly Change[];
  readonly container: readonly Change[];
  readonly conflicts: readonly Conflict[];
  readonly frozen: readonly Frozen[];
}

/** Deterministic; its cost follows what differs and the width of the folders on the way there. */
export function reconcile(trees: Trees): Plan {
  const agreed = agree(trees);
  return { agreed, ...merge(agreed) };
}
