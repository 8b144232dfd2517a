/** The files as the Files pane shows them. Rows of a folder that did not change are made once. */
import { originalName, originalsOf } from '../../../shared/core/sync/copy-name.ts';
import type { SessionState } from '../../../shared/core/sync/state.ts';
import {
  byCodeUnits,
  childOf,
  equal,
  join,
  nodeAt,
  type DirNode,
  type Node,
  type Path,
  type Side,
} from '../../../shared/core/sync/tree.ts';
import type { FileRow, SyncView } from '../view.ts';

export type Travel = NonNullable<FileRow['last']>;

interface Folder {
  readonly host: DirNode | null;
  readonly container: DirNode | null;
  /** Of `Rows.#versions`. */
  readonly version: number;
  readonly rows: readonly FileRow[];
  readonly below: ReadonlyMap<string, Folder>;
}

/** Travels that are remembered before those of paths that are gone are looked for. */
const FEW = 1_000;

export class Rows {
  readonly #last = new Map<Path, Travel>();
  /** Of each folder: `#version` when something in it travelled last. */
  readonly #versions = new Map<Path, number>();
  #root: Folder | undefined;
  #version = 0;
  /** Of `#last`, once it has grown so far. */
  #sweepAt = FEW;
  readonly #conflicts = new WeakMap<DirNode, readonly Conflict[]>();

  travelled(path: Path, travel: Travel): void {
    this.#last.set(path, travel);
    this.#version++;
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      this.#versions.set(path.slice(0, end), this.#version);
    }
    this.#versions.set('', this.#version);
  }

  /** The container's view stays as it was while it is away. */
  of({ host, container }: SessionState): readonly FileRow[] {
    if (this.#last.size >= this.#sweepAt) this.#sweep(host.tree, container.tree);
    this.#root = this.#folder('', host.tree, container.tree, this.#root);
    return this.#root.rows;
  }

  /** Conflicts that wait for the user: the copy is there, and is not equal to what has the path. */
  conflicts({ host }: SessionState): SyncView['conflicts'] {
    return host.tree === null ? [] : conflictsIn(host.tree, this.#conflicts);
  }

  #folder(path: Path, host: DirNode | null, container: DirNode | null, known: Folder | undefined): Folder {
    const version = this.#versions.get(path) ?? 0;
    if (known?.host === host && known.container === container && known.version === version) return known;
    const names = new Set([...(host?.children.keys() ?? []), ...(container?.children.keys() ?? [])]);
    const below = new Map<string, Folder>();
    const rows = [...names].sort(byCodeUnits).flatMap((name): readonly FileRow[] => {
      const at = join(path, name);
      const [ours, theirs] = [childOf(host, name), childOf(container, name)];
      const node = ours ?? theirs;
      if (node === null) return [];
      const isConflict = host !== null && ours !== null && originalIn(host, name, ours) !== null;
      const row = this.#row(at, node, ours, theirs, isConflict);
      if (node.kind !== 'dir') return [row];
      const folder = this.#folder(at, folderOrNull(ours), folderOrNull(theirs), known?.below.get(name));
      below.set(name, folder);
      // A folder has a row of its own only when nothing in it has one.
      return folder.rows.length > 0 && row.state === 'equal' ? folder.rows : [row, ...folder.rows];
    });
    return { host, container, version, rows, below };
  }

  /** Forgets what is on neither side any more. */
  #sweep(host: DirNode | null, container: DirNode | null): void {
    for (const map of [this.#last, this.#versions]) {
      for (const path of map.keys()) if ((nodeAt(host, path) ?? nodeAt(container, path)) === null) map.delete(path);
    }
    this.#sweepAt = 2 * this.#last.size + FEW;
  }

  #row(path: Path, node: Node, host: Node | null, container: Node | null, isConflict: boolean): FileRow {
    const opaque = [host, container].find((each) => each?.kind === 'opaque');
    const row = {
      path,
      kind: node.kind === 'opaque' ? ('file' as const) : node.kind,
      size: node.kind === 'file' ? node.size : 0,
      last: this.#last.get(path) ?? null,
    };
    if (opaque?.kind === 'opaque') return { ...row, state: 'frozen', note: NOTES[opaque.reason] };
    const same = node.kind === 'dir' ? host?.kind === container?.kind : equal(host, container);
    if (!same) return { ...row, state: 'pending' };
    return { ...row, state: isConflict ? 'conflict' : 'equal' };
  }
}

const NOTES = {
  unreadable: 'cannot be read',
  special: 'device, pipe or socket',
  mount: 'another file system',
  'outside-link': 'a link that leads out of the folder',
  name: 'a name that not both sides can hold',
  busy: 'keeps changing',
} as const;

export type Conflict = SyncView['conflicts'][number];

/** Copies that differ from what keeps the path. `known`: of folders that were looked at before, relative to each. */
export function conflictsIn(tree: DirNode, known = new WeakMap<DirNode, readonly Conflict[]>()): readonly Conflict[] {
  const look = (dir: DirNode): readonly Conflict[] => {
    const before = known.get(dir);
    if (before !== undefined) return before;
    const found: Conflict[] = [];
    for (const [name, node] of dir.children) {
      const original = originalIn(dir, name, node);
      if (original !== null) {
        found.push({ path: original, kept: name });
      } else if (node.kind === 'dir') {
        for (const { path, kept } of look(node)) found.push({ path: join(name, path), kept: join(name, kept) });
      }
    }
    known.set(dir, found);
    return found;
  };
  return [...look(tree)].sort((a, b) => byCodeUnits(a.kept, b.kept));
}

/** What a copy differs from; null when it is none, or differs from nothing. Of a name that was cut, what is left of it where that may be more than one. */
function originalIn(dir: DirNode, name: string, node: Node): string | null {
  const original = originalName(name);
  if (original === null) return null;
  const candidates = originalsOf(name, node, dir.children.keys());
  if (candidates.some((each) => equal(node, childOf(dir, each)))) return null;
  return candidates.length === 1 ? (candidates[0] ?? null) : original;
}

function folderOrNull(node: Node | null): DirNode | null {
  return node?.kind === 'dir' ? node : null;
}

const MENDS: Readonly<Record<Side, string>> = {
  host: 'Make it writable for this user, or name another folder with --dir.',
  container:
    'Start the container with it writable (a mount without :ro), edit what is mounted there, or go on in a copy: `drydock commit` the container, `drydock run` the image.',
};

export function problemsOf(state: SessionState): SyncView['problems'] {
  const problems: { path: Path; message: string }[] = [];
  for (const side of ['host', 'container'] as const satisfies readonly Side[]) {
    const { info, failure, blocked } = state[side];
    const where = side === 'host' ? 'on this machine' : 'in the container';
    if (info?.writable === false)
      problems.push({ path: '', message: `${info.root} is read-only ${where}: nothing arrives there. ${MENDS[side]}` });
    if (failure !== null) problems.push({ path: '', message: `${where}: ${failure}` });
    for (const [path, { message }] of blocked) problems.push({ path, message: `${where}: ${message}` });
  }
  for (const { path, side, reason } of state.frozen) {
    const node = nodeAt(state[side].tree, path);
    const note = node?.kind === 'opaque' ? NOTES[node.reason] : reason === 'clash' ? 'a folder against a file' : reason;
    problems.push({ path, message: `left alone ${side === 'host' ? 'on this machine' : 'in the container'}: ${note}` });
  }
  return problems;
}
