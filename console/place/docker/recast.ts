/**
 * The same layers under another configuration. A commit and a build both merge the labels and variables of what they
 * start from into the new image, and nothing takes one out again; so the configuration is written anew and loaded. The
 * engine reads no layer that it has (moby, `image/tarexport/load.go`): a few kilobytes travel.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ImageInspectInfo } from 'dockerode';
import { pack } from 'tar-stream';
import { DrydockError } from '../../../shared/core/errors.ts';
import { changesOf, type ImageConfig } from './changes.ts';
import type { Connection } from './connection.ts';
import { imageHistory, type HistoryRow } from './history.ts';
import { followProgress } from './progress.ts';

/** Resolves with the ID of the new image, which has no tag. */
export function recast(connection: Connection, image: string, config: ImageConfig, comment: string): Promise<string> {
  return connection.ask('write the configuration of the new image', async (docker) => {
    const [inspected, rows] = await Promise.all([
      docker.getImage(image).inspect(),
      docker.getImage(image).history() as Promise<readonly HistoryRow[]>,
    ]);
    const text = imageJson(inspected, rows, config, comment);
    const digest = createHash('sha256').update(text).digest('hex');
    // The layers are named and not there.
    const Layers = (inspected.RootFS.Layers ?? []).map((layer) => `${layer.slice('sha256:'.length)}/layer.tar`);
    const tar = pack();
    tar.entry({ name: `${digest}.json` }, text);
    tar.entry({ name: 'manifest.json' }, JSON.stringify([{ Config: `${digest}.json`, RepoTags: null, Layers }]));
    tar.finalize();
    await followProgress(await docker.loadImage(Readable.from(tar, { objectMode: false })));
    return `sha256:${digest}`;
  });
}

function imageJson(image: ImageInspectInfo, rows: readonly HistoryRow[], config: ImageConfig, comment: string): string {
  const layers = image.RootFS.Layers ?? [];
  const history = imageHistory(rows, layers.length);
  return JSON.stringify({
    architecture: image.Architecture,
    ...(image.Variant === undefined ? {} : { variant: image.Variant }),
    os: image.Os,
    created: image.Created,
    ...(comment === '' ? {} : { comment }),
    config: { ...config, Hostname: '', Domainname: '', Image: '' },
    rootfs: { type: 'layers', diff_ids: layers },
    ...(history.length === 0 ? {} : { history }),
  });
}

/**
 * For an engine that wants every layer that it is told of (containerd's image store): all of them as one instead, which
 * costs the whole image's size in time and disk.
 */
export function flatten(connection: Connection, image: string, config: ImageConfig): Promise<string> {
  return connection.ask('write the new image as one layer', async (docker) => {
    const container = await docker.createContainer({ Image: image, Entrypoint: [], Cmd: ['-'] });
    try {
      const root = await container.export();
      const body = await docker.importImage(root, { changes: changesOf(config) });
      const { last } = await followProgress(body);
      if (!last.startsWith('sha256:')) throw new DrydockError('io', `The engine answered an import with: ${last}`);
      return last;
    } finally {
      await container.remove({ v: true });
    }
  });
}
