/** What lies in a container's `azureml-models`: files below NAME/VERSION, as Azure lays them out. */
import { byCodeUnits } from './sync/tree.ts';

/** The folder's name, on both sides. */
export const MODELS = 'azureml-models';

export interface ModelFile {
  readonly kind: 'file';
  /** Relative to the folder. */
  readonly path: string;
  readonly size: number;
  /** Epoch milliseconds, whole. */
  readonly mtime: number;
  readonly exec: boolean;
  /** Differs as soon as the file was touched. */
  readonly stamp: string;
}

export interface ModelLink {
  readonly kind: 'link';
  readonly path: string;
  /** Relative, and inside the folder. */
  readonly target: string;
}

export type ModelEntry =
  | ModelFile
  | ModelLink
  | { readonly kind: 'dir'; readonly path: string }
  /** What cannot be fetched, and why. */
  | { readonly kind: 'left'; readonly path: string; readonly reason: string };

export interface ModelList {
  /** Absolute, in the container; null where there is none, or the app's folder lies in it. */
  readonly folder: string | null;
  readonly entries: readonly ModelEntry[];
  /** False: there are more entries than are listed. */
  readonly whole: boolean;
}

/** One version of a model. */
export interface Model {
  readonly name: string;
  /** Null: files that lie in no version's folder, or a name without a version. */
  readonly version: string | null;
  /** Files and links. */
  readonly entries: readonly (ModelFile | ModelLink)[];
  readonly bytes: number;
  readonly left: readonly { readonly path: string; readonly reason: string }[];
}

/** By name, and of one name the versions as numbers. */
export function modelsOf(entries: readonly ModelEntry[]): readonly Model[] {
  const found = new Map<string, { name: string; version: string | null; entries: ModelEntry[] }>();
  const names = new Set(entries.flatMap(({ kind, path }) => (kind === 'dir' && !path.includes('/') ? [path] : [])));
  for (const entry of entries) {
    const parts = entry.path.split('/');
    const isFolder = entry.kind === 'dir';
    if (isFolder && parts.length < 2) continue;
    const [name = '', version = null] = isFolder ? parts : parts.slice(0, -1);
    const key = version === null ? name : `${name}/${version}`;
    const model = found.get(key) ?? { name, version, entries: [] };
    found.set(key, model);
    model.entries.push(entry);
    names.delete(name);
  }
  for (const name of names) found.set(name, { name, version: null, entries: [] });
  return [...found.values()].sort(byNameAndVersion).map(({ name, version, entries: all }) => {
    const files = all.filter((entry) => entry.kind === 'file' || entry.kind === 'link');
    const left = all.flatMap((entry) => (entry.kind === 'left' ? [{ path: entry.path, reason: entry.reason }] : []));
    return { name, version, entries: files, bytes: files.reduce((sum, entry) => sum + sizeOf(entry), 0), left };
  });
}

export const sizeOf = (entry: ModelFile | ModelLink): number => (entry.kind === 'file' ? entry.size : 0);

type Key = Pick<Model, 'name' | 'version'>;

/** `diabetes 2` */
export const titleOf = ({ name, version }: Key): string =>
  [name === '' ? 'files without a model' : name, ...(version === null ? [] : [version])].join(' ');

/** Below the folder. */
export const pathOf = ({ name, version }: Key): string => (version === null ? name : `${name}/${version}`);

function byNameAndVersion(a: Key, b: Key): number {
  return (
    byCodeUnits(a.name, b.name) ||
    Number(a.version) - Number(b.version) ||
    byCodeUnits(a.version ?? '', b.version ?? '')
  );
}
