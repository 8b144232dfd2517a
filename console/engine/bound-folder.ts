/**
 * An app folder that the container sees through a bind mount: nothing travels. The agent watches it, so that changed
 * code is reloaded, and what it sees is shown.
 */
import { EMPTY, TreeEdit, walk, type DirNode } from '../../shared/core/sync/tree.ts';
import type { RemoteEndpoint } from './remote-endpoint.ts';
import type { FileRow } from './view.ts';

export class BoundFolder {
  readonly #endpoint: RemoteEndpoint;
  readonly #changed: () => void;
  #tree: DirNode | null = null;

  constructor(endpoint: RemoteEndpoint, changed: () => void) {
    this.#endpoint = endpoint;
    this.#changed = changed;
  }

  async start(): Promise<void> {
    this.#tree = (await this.#endpoint.scan()).root;
    await this.#endpoint.watch(
      (batch) => {
        const edit = new TreeEdit(this.#tree ?? EMPTY);
        for (const { path, node } of batch) edit.set(path, path === '' && node?.kind !== 'dir' ? EMPTY : node);
        this.#tree = edit.root;
        this.#changed();
      },
      () => {
        void this.#endpoint.scan().then(
          ({ root }) => {
            this.#tree = root;
            this.#changed();
          },
          () => undefined, // the link is gone, and says so itself
        );
      },
    );
    this.#changed();
  }

  rows(): FileRow[] {
    if (this.#tree === null) return [];
    return Array.from(walk(this.#tree)).flatMap(([path, node]): FileRow[] =>
      node.kind === 'file' || node.kind === 'link'
        ? [{ path, kind: node.kind, size: node.kind === 'file' ? node.size : 0, last: null, state: 'equal' }]
        : [],
    );
  }
}
