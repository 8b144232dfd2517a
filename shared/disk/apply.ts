/**
 * Making a batch of changes: content is staged and synced first, then each path changes in one step, then the folders
 * are synced. What the disk holds instead of what was expected is an answer, not an error.
 */
import { closeSync, fstatSync, lstatSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { manyAtOnce } from '../core/many.ts';
import { INLINE_LIMIT } from '../core/sync/endpoint.ts';
import { ContentMoved, type Change, type ContentSource, type Outcome } from '../core/sync/endpoint.ts';
import type { Digest, Entry, FileNode, Node, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { fill, freeIn, roomFor } from './fill.ts';
import { Failed, Moved, judge } from './hands.ts';
import type { Done, Hands, Staged, Step } from './hands.ts';
import { nodeOf } from './known.ts';
import { isSpelled } from './look.ts';
import { OWN_FOLDER, segmentsOf, staysInside } from './path.ts';
import {
  createFile,
  createFolder,
  createLink,
  removeFile,
  removeFolder,
  removeLink,
  replaceFile,
  replaceLink,
} from './place.ts';
import { readFileAs } from './read.ts';
import { SMALL, digestOf, openFile, readWhole } from './reading.ts';
import { fsync } from './syncing.ts';
import { enterAll } from './walk.ts';
import type { Folder } from './walk.ts';

/** Files and bytes that are staged before they are put in place. */
const WINDOW_FILES = 256;
const WINDOW_BYTES = 64 * 1024 * 1024;
/** Files that are written at once. */
const AT_ONCE = 16;
/** Folders that are held open while a batch is made. With the window's files and those of `late.ts` well below 1,024, the least limit that is met. */
const MAX_PARENTS = 128;

export async function applyBatch(hands: Hands, batch: readonly Change[], content: ContentSource): Promise<Outcome[]> {
  if (!hands.can.writable) {
    const message = `nothing can be created in ${hands.root} or beside it`;
    return batch.map(({ path }) => ({ path, result: 'failed', reason: 'read-only', message }));
  }
  return hands.stage.use(async (stage) => {
    const outcomes: Outcome[] = [];
    const parents = new Parents(hands);
    const work = { hands, stage, content: withMoved(hands, batch, content), parents };
    try {
      for (const window of windowsOf(batch)) outcomes.push(...(await applyWindow(work, window)));
    } finally {
      // Also when the rest of the batch is given up: what was made is there, and the next look finds it.
      await parents.close();
    }
    return outcomes;
  });
}

/** What the changes of one batch share. */
interface Work {
  readonly hands: Hands;
  readonly stage: Folder;
  readonly content: ContentSource;
  readonly parents: Parents;
}

function* windowsOf(batch: readonly Change[]): Generator<readonly Change[]> {
  let window: Change[] = [];
  let bytes = 0;
  for (const change of batch) {
    window.push(change);
    bytes += needsContent(change) ? change.after.size : 0;
    if (window.length < WINDOW_FILES && bytes < WINDOW_BYTES) continue;
    yield window;
    window = [];
    bytes = 0;
  }
  if (window.length > 0) yield window;
}

/** Takes what a file holds that goes in the same batch, as a moved one does, from there: it need not travel. */
function withMoved({ walker, root }: Hands, batch: readonly Change[], content: ContentSource): ContentSource {
  const wanted = new Set(batch.filter(needsContent).map(({ after }) => after.digest));
  const leaving = new Map<Digest, { readonly path: Path; readonly size: number }>();
  for (const { path, before, after } of batch) {
    if (after === null && before?.kind === 'file' && wanted.has(before.digest))
      leaving.set(before.digest, { path, size: before.size });
  }
  if (leaving.size === 0) return content;
  return {
    open: async function* (digest, path) {
      const from = leaving.get(digest);
      let begun = false;
      try {
        if (from === undefined) throw new ContentMoved(path);
        const read = () => readFileAs(walker, root, from.path, digest, from.size);
        // Of a small one the only chunk comes when it is proved; a large one is read for that alone at first.
        if (from.size > SMALL) for await (const _ of read());
        for await (const chunk of read()) {
          begun = true;
          yield chunk;
        }
      } catch (error) {
        // Half of it cannot be mended with the other side's.
        if (begun) throw error;
        yield* content.open(digest, path);
      }
    },
  };
}

function needsContent(change: Change): change is Change & { after: FileNode } {
  if (change.after?.kind !== 'file') return false;
  return change.before?.kind !== 'file' || change.before.digest !== change.after.digest;
}

async function applyWindow(work: Work, window: readonly Change[]): Promise<Outcome[]> {
  const staged = await stageAll(work, window);
  const outcomes: Outcome[] = [];
  try {
    for (const change of window) {
      const ready = staged.get(change);
      outcomes.push(ready instanceof Failed ? failure(change.path, ready) : await applyOne(work, change, ready));
    }
  } finally {
    for (const ready of staged.values()) if (!(ready instanceof Failed)) closeSync(ready.fd);
  }
  return outcomes;
}

async function stageAll(work: Work, window: readonly Change[]): Promise<Map<Change, Staged | Failed>> {
  const staged = new Map<Change, Staged | Failed>();
  const ahead = window.filter(needsContent);
  const bytes = ahead.reduce((sum, { after }) => sum + after.size, 0);
  // Where all of it finds room nobody asks again; else each that still does goes on.
  const isTight = ahead.length > 0 && freeIn(work.stage) < bytes;
  await manyAtOnce(AT_ONCE, ahead, async (change) => {
    staged.set(change, await stageOne(work, change.path, change.after, isTight));
  });
  // All are written before the first is synced: making files in a folder waits for those of it that are being synced.
  const ready = [...staged].filter((each): each is [Change, Staged] => !(each[1] instanceof Failed));
  await work.hands.syncer.sync(
    ready,
    ([, { fd }]) => fd,
    ([change, { fd, name }], error) => {
      closeSync(fd);
      unlinkSync(work.stage.at(name));
      staged.set(change, failed(error, change.path));
    },
  );
  return staged;
}

async function stageOne(
  { hands, stage, content }: Work,
  path: Path,
  after: FileNode,
  isTight: boolean,
): Promise<Staged | Failed> {
  try {
    if (isTight) roomFor(stage, after.size);
    const name = hands.stage.name('new');
    return { name, fd: await fill(stage.at(name), after, content.open(after.digest, path)) };
  } catch (error) {
    return failed(error, path);
  }
}

function failed(error: unknown, path: Path): Failed {
  const verdict = judge(error, path);
  return verdict instanceof Failed ? verdict : new Failed('io', `${path}: the staging folder is gone`, error);
}

async function applyOne(work: Work, change: Change, staged: Staged | undefined): Promise<Outcome> {
  const { hands, stage, parents } = work;
  const { path } = change;
  try {
    const names = allowed(hands, change);
    if (hands.looker.isUnnameable(path)) throw new Moved(path);
    const above = names.slice(0, -1);
    const parent = parents.open(above);
    if (hands.looker.isFrozen(path)) throw new Failed('unsupported', `${path}: lies in a part that is left alone`);
    const name = names.at(-1) ?? '';
    if (!isSpelled(parent, name, hands.can.caseSensitive) && lstatSync(parent.at(name), { throwIfNoEntry: false })) {
      throw new Failed('name', `${path}: its name in another spelling is taken`);
    }
    const done = await make({ hands, stage, parent, name, path, change, staged });
    parents.touch(above);
    return { path, result: 'done', ...done };
  } catch (error) {
    const verdict = judge(error, path);
    return verdict instanceof Failed ? failure(path, verdict) : refusal(hands, change);
  }
}

/**
 * The folders in which a batch changes something, held open: what comes next often lies in one of them, and at the end
 * each is synced once.
 */
class Parents {
  readonly #hands: Hands;
  readonly #open = new Map<Path, { readonly folder: Folder; touched: boolean }>();
  readonly #closing: Promise<void>[] = [];

  constructor(hands: Hands) {
    this.#hands = hands;
  }

  /** Stays open for this change at least. Throws Failed, and as `Walker.enter` does. */
  open(names: readonly string[]): Folder {
    const path = names.join('/');
    const held = this.#open.get(path);
    if (held !== undefined && this.#isStill(held.folder, path)) return held.folder;
    this.#drop(path);
    const [oldest] = this.#open.keys();
    if (oldest !== undefined && this.#open.size >= MAX_PARENTS) this.#drop(oldest);
    const folder = this.#enter(names, path);
    this.#open.set(path, { folder, touched: false });
    return folder;
  }

  /** Something changed in a folder that is open. */
  touch(names: readonly string[]): void {
    const held = this.#open.get(names.join('/'));
    if (held !== undefined) held.touched = true;
  }

  /** Resolves when all that were touched are synced. Rejects as fsync does. */
  async close(): Promise<void> {
    const folders = [...this.#open.values()];
    this.#open.clear();
    const touched = folders.flatMap(({ folder, touched }) => (touched && folder.fd !== null ? [folder.fd] : []));
    const errors: unknown[] = [];
    await this.#hands.syncer.sync(
      touched,
      (fd) => fd,
      (_, error) => errors.push(error),
    );
    for (const { folder } of folders) folder.close();
    for (const result of await Promise.allSettled(this.#closing)) {
      if (result.status === 'rejected') errors.push(result.reason);
    }
    if (errors.length > 0) throw errors[0];
  }

  #drop(path: Path): void {
    const held = this.#open.get(path);
    if (held === undefined) return;
    this.#open.delete(path);
    const { folder, touched } = held;
    // Windows has no descriptors of folders and commits their entries with the file system's journal.
    if (!touched || folder.fd === null) folder.close();
    else this.#closing.push(fsync(folder.fd).finally(() => folder.close()));
  }

  /**
   * True while the path leads to this very folder. RACE: one that is moved elsewhere after this look is written into
   * where it is by then, as one is that was entered component by component.
   */
  #isStill({ stat }: Folder, path: Path): boolean {
    const look = path === '' ? statSync : lstatSync;
    const now = look(join(this.#hands.root, path), { bigint: true, throwIfNoEntry: false });
    return now?.ino === stat.ino && now.dev === stat.dev;
  }

  #enter(names: readonly string[], path: Path): Folder {
    const { looker, walker, root: where } = this.#hands;
    const root = looker.openRoot();
    if (root === null) throw new Failed('io', `the folder is gone: ${where}`);
    const { dev } = root.stat;
    const folder = enterAll(walker, root, names);
    if (folder.stat.dev === dev) return folder;
    folder.close();
    throw new Failed('unsupported', `${path}: lies in a part that is left alone`);
  }
}

/** The segments of a path that may be acted on. Throws Failed. */
function allowed(hands: Hands, { path, after }: Change): readonly string[] {
  const names = segmentsOf(path);
  if (names === null) throw new Failed('name', `${path}: no name that this file system can hold`);
  if (names[0] === OWN_FOLDER) throw new Failed('unsupported', `${path}: Drydock's own`);
  const folders = names.slice(0, -1).map((_, index) => names.slice(0, index + 1).join('/'));
  if (folders.some((folder) => hands.ignored(folder, true)) || hands.ignored(path, after?.kind === 'dir')) {
    throw new Failed('unsupported', `${path}: is ignored on this side`);
  }
  if (after?.kind === 'link' && !staysInside(path, after.target)) {
    throw new Failed('unsupported', `${path}: the link leads out of the folder`);
  }
  if (after?.kind === 'link' && !hands.can.symlinks) throw new Failed('unsupported', `${path}: no symbolic links here`);
  return names;
}

async function make(step: Step): Promise<Done> {
  const { before, after } = step.change;
  if (before === null) return after === null ? expectNothing(step) : create(step, after);
  if (after === null) return remove(step, before);
  if (before.kind === 'dir' && after.kind === 'dir') return {};
  if (before.kind === 'file' && after.kind !== 'dir') return replaceFile(step, before, after);
  if (before.kind === 'link' && after.kind !== 'dir') return replaceLink(step, before, after);
  // A folder against something else passes through absence.
  const done = await remove(step, before);
  create(step, after);
  return done;
}

function expectNothing(step: Step): Done {
  if (step.hands.looker.knows(step.path)) throw new Moved(step.path);
  return {};
}

function create(step: Step, after: Entry): Done {
  try {
    if (after.kind === 'file') createFile(step, after);
    else if (after.kind === 'link') createLink(step, after);
    else createFolder(step);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !step.hands.looker.isHidden(step.path)) throw error;
    // A folder that holds only ignored entries stands here, which is as good as none: but not for a file.
    if (after.kind !== 'dir')
      throw new Failed('occupied', `${step.path}: a folder with ignored files stands here`, error);
  }
  return {};
}

async function remove(step: Step, before: Entry): Promise<Done> {
  if (before.kind === 'file') return removeFile(step, before);
  if (before.kind === 'link') await removeLink(step, before);
  else await removeFolder(step);
  return {};
}

function failure(path: Path, { reason, message }: Failed): Outcome {
  return { path, result: 'failed', reason, message };
}

async function refusal(hands: Hands, { path, before }: Change): Promise<Outcome> {
  const seen = await hands.looker.learn(path, before);
  const found = seen === undefined ? null : nodeOf(seen);
  const data = found === null ? undefined : bytesOf(hands, path, found);
  return data === undefined ? { path, result: 'refused', found } : { path, result: 'refused', found, data };
}

/** The bytes of a small file if it still is what was found. */
function bytesOf(hands: Hands, path: Path, found: Node): Uint8Array | undefined {
  if (found.kind !== 'file' || found.size > INLINE_LIMIT) return undefined;
  const names = path.split('/');
  try {
    const root = hands.looker.openRoot();
    if (root === null) return undefined;
    const parent = enterAll(hands.walker, root, names.slice(0, -1));
    try {
      const fd = openFile(parent.at(names.at(-1) ?? ''));
      try {
        parent.verify();
        if (!fstatSync(fd).isFile()) return undefined;
        const data = readWhole(fd, found.size);
        return data !== null && digestOf(data) === found.digest ? data : undefined;
      } finally {
        closeSync(fd);
      }
    } finally {
      parent.close();
    }
  } catch (error) {
    if (codeOf(error) === '') throw error;
    return undefined;
  }
}
