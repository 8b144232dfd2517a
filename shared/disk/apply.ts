/**
 * Making a batch of changes: content is staged and synced first, then each path changes in one step, then the folders
 * are synced. What the disk holds instead of what was expected is an answer, not an error.
 */
import { closeSync, fstatSync, lstatSync, unlinkSync } from 'node:fs';
import { manyAtOnce } from '../core/many.ts';
import { INLINE_LIMIT } from '../core/sync/endpoint.ts';
import { ContentMoved, type Change, type ContentSource, type Outcome } from '../core/sync/endpoint.ts';
import type { Digest, Entry, FileNode, Node, Path } from '../core/sync/tree.ts';
import { codeOf } from './errno.ts';
import { descriptorLimit } from './descriptors.ts';
import { fill, freeIn, roomFor } from './fill.ts';
import { Failed, Moved, judge } from './hands.ts';
import type { Done, Hands, Step } from './hands.ts';
import { nodeOf } from './known.ts';
import { isSpelled } from './look.ts';
import { briskPacer } from './pacer.ts';
import { Parents, allowed } from './parents.ts';
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
import { Staged } from './staged.ts';
import { enterAll } from './walk.ts';
import type { Folder } from './walk.ts';
import { fillHome, homeOf, makeHomes } from './whole.ts';
import type { Home, Homes, Whole } from './whole.ts';

/** Files and bytes that are staged, and made durable by one call, before they are put in place. Each file is held open. */
const WINDOW_FILES = descriptorLimit() < 4_096 ? 256 : 1_024;
const WINDOW_BYTES = 64 * 1024 * 1024;
/** Files that are written at once. */
const AT_ONCE = 16;

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
    atHand: (digest) => content.atHand?.(digest),
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

/** A file whose bytes are needed. */
type NewContent = Change & { readonly after: FileNode };

function needsContent(change: Change): change is NewContent {
  if (change.after?.kind !== 'file') return false;
  return change.before?.kind !== 'file' || change.before.digest !== change.after.digest;
}

async function applyWindow(work: Work, window: readonly Change[]): Promise<Outcome[]> {
  const { hands, stage, parents } = work;
  const homes = makeHomes(hands, stage, parents, window);
  const staged = new Map<Change, Staged | Failed>();
  const outcomes: Outcome[] = [];
  try {
    await stageAll(work, window, homes, staged);
    // Hints are heard in between: those of a thousand changes at once look like ones that ran over.
    const pacer = briskPacer();
    for (const change of window) {
      if (pacer.due()) await pacer.rest();
      const { path } = change;
      const ready = staged.get(change);
      const whole = homeOf(homes, change)?.whole;
      if (ready instanceof Failed) outcomes.push(failure(path, ready));
      else if (whole?.state === 'placed')
        outcomes.push({ path, result: 'done' }); // with its highest folder
      else outcomes.push(await applyOne(work, change, ready, whole));
    }
  } finally {
    for (const ready of staged.values()) if (ready instanceof Staged) ready.close();
    for (const { folder } of homes.values()) folder.close();
  }
  return outcomes;
}

async function stageAll(
  work: Work,
  window: readonly Change[],
  homes: Homes,
  staged: Map<Change, Staged | Failed>,
): Promise<void> {
  const ahead = window.filter(needsContent);
  const bytes = ahead.reduce((sum, { after }) => sum + after.size, 0);
  // Where all of it finds room nobody asks again; else each that still does goes on.
  const isTight = ahead.length > 0 && freeIn(work.stage) < bytes;
  await manyAtOnce(AT_ONCE, ahead, async (change) => {
    staged.set(change, await stageOne(work, change, homeOf(homes, change), isTight));
  });
  // All are written before the first is synced: making files in a folder waits for those of it that are being synced.
  const files = [...staged].filter((each): each is [Change, Staged] => each[1] instanceof Staged);
  const written = [
    ...Array.from(homes.values(), ({ folder, whole }) => ({
      fd: () => folder.fd ?? -1,
      failed: () => void (whole.state = 'left'),
    })),
    ...files.map(([change, ready]) => ({
      fd: () => ready.fd,
      failed: (error: unknown) => {
        ready.close();
        unlinkSync(work.stage.at(ready.name));
        homeOf(homes, change)?.whole.files.delete(change.path);
        staged.set(change, failed(error, change.path));
      },
    })),
  ];
  await work.hands.syncer.sync(
    written,
    (each) => each.fd(),
    (each, error) => each.failed(error),
  );
}

async function stageOne(
  { hands, stage, content }: Work,
  change: NewContent,
  home: Home | undefined,
  isTight: boolean,
): Promise<Staged | Failed> {
  const { path, after } = change;
  try {
    if (isTight) roomFor(stage, after.size);
    if (home !== undefined) allowed(hands, change);
    const bytes = content.atHand?.(after.digest) ?? content.open(after.digest, path);
    if (home !== undefined) return await fillHome(stage, home, path, after, bytes, hands.owner);
    const name = hands.stage.name('new');
    return new Staged(stage, name, await fill(stage.at(name), after, bytes));
  } catch (error) {
    return failed(error, path);
  }
}

function failed(error: unknown, path: Path): Failed {
  const verdict = judge(error, path);
  return verdict instanceof Failed ? verdict : new Failed('io', `${path}: the staging folder is gone`, error);
}

async function applyOne(
  work: Work,
  change: Change,
  staged: Staged | undefined,
  whole: Whole | undefined,
): Promise<Outcome> {
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
    const done = await make({ hands, stage, parent, name, path, change, staged, whole });
    parents.touch(above);
    return { path, result: 'done', ...done };
  } catch (error) {
    const verdict = judge(error, path);
    return verdict instanceof Failed ? failure(path, verdict) : refusal(hands, change);
  }
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
