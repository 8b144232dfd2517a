/** The container as it is now, as image NAME:N: what it would hold, and making it. */
import { DrydockError } from '../../shared/core/errors.ts';
import { KIT_DIRS } from '../kit/kit.ts';
import type { Facts, Images, Place, Target } from '../place/place.ts';
import { imageName } from './revived-labels.ts';
import { snapshotLabels } from './snapshot-labels.ts';
import { appMounts, included, isSpare, isWithin } from './snapshot-mounts.ts';
import { nextTag, snapshotName } from './snapshot-name.ts';
import type { CommitPreview, CommitResult } from './view.ts';

export interface CommittedApp {
  /** The app's folder in the container. */
  readonly root: string;
  /** The kit lies in the writable layer: it is taken out for the commit. */
  readonly injected: boolean;
  /** Bytes of it; 0 when it is not known. */
  readonly kitBytes?: number;
  /** Mounted model folders go into the image too. */
  readonly models?: boolean;
}

export interface CommitHooks {
  /** Resolves when the sync has nothing under way, with the name of the tree that both sides have in common. */
  quiet(): Promise<string | null>;
  /** The agent leaves the file system as an image should hold it; `dropKit` unlinks the kit. */
  prepare(dropKit: boolean): Promise<void>;
  done(): Promise<void>;
}

/** Layers that an image may have (moby, `layer/layer_store.go`, maxLayerDepth), and from where we warn. */
const MOST_LAYERS = 125;
const MANY_LAYERS = 110;

export async function commitPreview(target: Target, place: Place, app: CommittedApp): Promise<CommitPreview> {
  const images = imagesOf(place);
  const [facts, source, changes, size] = await Promise.all([
    target.facts(),
    images.inspect(target.id.image),
    target.changes(),
    target.writableSize(),
  ]);
  const changed = changes
    .filter(({ path }) => !isSpare(path) && !KIT_DIRS.some((dir) => isWithin(path, dir)))
    // A folder counts as modified when something in it is: only what is in it says something.
    .filter(({ path, kind }) => kind !== 'modified' || !changes.some((other) => other.path.startsWith(`${path}/`)));
  const name = snapshotName(imageName(facts), facts.name);
  return {
    tag: nextTag(await images.tags(name), name),
    from: imageName(facts),
    size: Math.max(0, size - (app.injected ? (app.kitBytes ?? 0) : 0)),
    changed: changed.filter(({ path }) => isWithin(path, app.root)),
    others: changed.filter(({ path }) => !isWithin(path, app.root)).length,
    notes: notesOf(facts, source?.layers ?? 0, app),
  };
}

/**
 * `tag` as the preview offered it; where somebody has taken it since, the next free one. Rejects with what the engine
 * refuses; `hooks.done` runs whatever happens.
 */
export async function commitContainer(
  target: Target,
  place: Place,
  app: CommittedApp,
  tag: string,
  hooks: CommitHooks,
): Promise<CommitResult> {
  const started = performance.now();
  const images = imagesOf(place);
  if (target.commit === undefined) throw cannotCommit(place);
  const settled = async (): Promise<string | null> => {
    const tree = await hooks.quiet();
    await hooks.prepare(app.injected);
    return tree;
  };
  try {
    const [wanted, facts, source, tree] = await Promise.all([
      freeTag(images, tag),
      target.facts(),
      images.inspect(target.id.image),
      settled(),
    ]);
    const mounts = appMounts(facts, app.root);
    const options = {
      // A file that is written meanwhile would be torn: the container stands still, as it does for `docker commit`.
      pause: true,
      message: `drydock: ${facts.name} at ${app.root}`,
      labels: snapshotLabels(source?.labels ?? {}, facts.labels, {
        fromImage: imageName(facts),
        parent: target.id.image,
        container: { id: target.id.container, name: facts.name },
        appRoot: app.root,
        created: new Date().toISOString(),
        tree,
      }),
      env: {},
      include: included(app.models === true ? [...mounts.app, ...mounts.models] : mounts.app, facts.mounts),
    };
    for (let free = wanted; ;) {
      try {
        const imageId = await target.commit({ ...options, tag: free });
        const ms = performance.now() - started;
        const moved = free === tag ? [] : [`${tag} was taken meanwhile, so it is ${free}.`];
        return { tag: free, imageId, ms, notes: [...moved, ...notesOf(facts, source?.layers ?? 0, app)] };
      } catch (error) {
        if (!(error instanceof DrydockError) || error.code !== 'taken') throw error;
        free = await freeTag(images, free);
      }
    }
  } finally {
    await hooks.done();
  }
}

function imagesOf(place: Place): Images {
  if (place.images === undefined) throw cannotCommit(place);
  return place.images;
}

function cannotCommit(place: Place): DrydockError {
  return new DrydockError('usage', `${place.label} makes no images of its containers.`, {
    hint: 'Run the container on a Docker Engine to commit it.',
  });
}

async function freeTag(images: Images, tag: string): Promise<string> {
  if ((await images.inspect(tag)) === null) return tag;
  const name = tag.slice(0, tag.lastIndexOf(':'));
  return nextTag(await images.tags(name), name);
}

function notesOf(facts: Facts, layers: number, { root, models }: CommittedApp): readonly string[] {
  const mounts = appMounts(facts, root);
  const notes = mounts.app.map(
    ({ destination, source }) => `${destination} is mounted (${source}): its content goes into the image.`,
  );
  for (const { destination, source, type } of mounts.models) {
    notes.push(
      models === true
        ? `${destination} holds models and is mounted (${source}): they go into the image.`
        : `${destination} holds models and is mounted (${source}): they stay out; ` +
            `a container from this image needs --${type === 'bind' ? 'volume' : 'mount'} for them again.`,
    );
  }
  for (const { destination } of mounts.lost) notes.push(`${destination} is in memory only (tmpfs): it stays out.`);
  if (facts.autoRemove) notes.push(`${facts.name} was started with --rm: it is gone when it stops; the image stays.`);
  if (layers >= MANY_LAYERS) {
    notes.push(`${facts.image} has ${layers} of at most ${MOST_LAYERS} layers; each commit adds one.`);
  }
  return notes;
}
