/** What is to be done for each file of the container's models, given what stands in its place here. Pure. */
import { sizeOf, type Model, type ModelFile, type ModelLink } from '../../../shared/core/models.ts';

/** What stands at a path of this machine's `azureml-models`. */
export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly size: number; readonly mtime: number; readonly stamp: string }
  | { readonly kind: 'link'; readonly target: string }
  /** A folder, a device, or no folder above it. */
  | { readonly kind: 'other' };

/** Larger ones would push edits out of the journal. Bytes. */
export const JOURNAL_LIMIT = 16 * 1024 * 1024;

/** Time stamps are as coarse as this on some file systems (FAT). Milliseconds. */
const GRAIN = 2_000;

export type Likeness = 'same' | 'unsure' | 'absent' | 'differs';

/** From outside. Same size and time count as the same here, to be shown; what is fetched is compared by digest. */
export function likenessOf(entry: ModelFile | ModelLink, found: Found): Likeness {
  if (found.kind === 'none') return 'absent';
  if (entry.kind === 'link') return found.kind === 'link' && found.target === entry.target ? 'same' : 'differs';
  if (found.kind !== 'file' || found.size !== entry.size) return 'differs';
  return Math.abs(found.mtime - entry.mtime) <= GRAIN ? 'same' : 'unsure';
}

/** How much of a model is on this machine. */
export type Here = 'none' | 'part' | 'whole' | 'unsure' | 'differs';

export function hereOf(all: readonly Likeness[]): Here {
  const has = (likeness: Likeness) => all.includes(likeness);
  if (has('differs')) return 'differs';
  if (has('absent')) return has('same') || has('unsure') ? 'part' : 'none';
  return has('unsure') ? 'unsure' : 'whole';
}

export type Decision =
  /** It is here already. */
  | 'here'
  | 'fetch'
  /** Fetched, and what stood here goes to the journal first. */
  | 'keep'
  /** Fetched over what stood here, as the user has said. */
  | 'replace'
  /** It would overwrite what cannot be kept. */
  | 'refuse';

/** `equal`: by digest, known for a file of the same size. */
export function decide(entry: ModelFile | ModelLink, found: Found, equal: boolean, replace: boolean): Decision {
  if (found.kind === 'none') return 'fetch';
  if (entry.kind === 'link') return likenessOf(entry, found) === 'same' ? 'here' : 'refuse';
  if (found.kind !== 'file') return 'refuse';
  if (equal) return 'here';
  if (found.size <= JOURNAL_LIMIT) return 'keep';
  return replace ? 'replace' : 'refuse';
}

export interface Task {
  readonly entry: ModelFile | ModelLink;
  readonly found: Found;
  readonly decision: Decision;
  /** Bytes of it that lie here from an earlier time; what they are worth is seen when it is fetched. */
  readonly begun: number;
}

export interface Plan {
  readonly tasks: readonly Task[];
  /** Models of which nothing is fetched, since that would mix two versions: what stands in the way. */
  readonly refused: readonly { readonly model: Model; readonly paths: readonly string[] }[];
  /** Bytes of the files that are fetched, and of those what lies here already. */
  readonly total: number;
  readonly begun: number;
}

export function planOf(models: readonly { readonly model: Model; readonly tasks: readonly Task[] }[]): Plan {
  const inWay = (tasks: readonly Task[]) => tasks.filter(({ decision }) => decision === 'refuse');
  const refused = models
    .filter(({ tasks }) => inWay(tasks).length > 0)
    .map(({ model, tasks }) => ({ model, paths: inWay(tasks).map(({ entry }) => entry.path) }));
  const tasks = models
    .filter((each) => inWay(each.tasks).length === 0)
    .flatMap((each) => each.tasks.filter(({ decision }) => decision !== 'here'));
  const sum = (size: (task: Task) => number) => tasks.reduce((all, task) => all + size(task), 0);
  return { tasks, refused, total: sum(({ entry }) => sizeOf(entry)), begun: sum(({ begun }) => begun) };
}
