/** Where the bytes of a change come from. */
import { ContentMoved, type ContentSource, type Endpoint } from '../../../shared/core/sync/endpoint.ts';
import type { SessionState } from '../../../shared/core/sync/state.ts';
import { nodeAt, otherSide, type Digest, type Path, type Side } from '../../../shared/core/sync/tree.ts';
import type { Journal } from './journal.ts';

/** Bytes of small files that are kept until they have travelled. */
const CACHE_BYTES = 32 * 1024 * 1024;

export class ContentCache {
  readonly #held = new Map<Digest, Uint8Array>();
  #bytes = 0;

  put(digest: Digest, data: Uint8Array): void {
    if (this.#held.has(digest)) return;
    // A copy: these bytes may lie in a frame that is many times as large.
    this.#held.set(digest, Buffer.from(data));
    this.#bytes += data.length;
    for (const [oldest, { length }] of this.#held) {
      if (this.#bytes <= CACHE_BYTES) break;
      this.#held.delete(oldest);
      this.#bytes -= length;
    }
  }

  get(digest: Digest): Uint8Array | undefined {
    return this.#held.get(digest);
  }

  clear(): void {
    this.#held.clear();
    this.#bytes = 0;
  }
}

export interface Holders {
  readonly state: () => SessionState;
  readonly endpoint: (side: Side) => Endpoint | null;
  readonly cache: ContentCache;
  readonly journal: Journal;
}

/** For a batch to `side`: what came with the news, else the other side's file, else the container's own (a conflict copy), else the journal. */
export function contentFor(side: Side, holders: Holders): ContentSource {
  return {
    open: async function* (digest: Digest, path: Path) {
      for (const source of sources(side, digest, path, holders)) {
        let begun = false;
        try {
          for await (const chunk of source) {
            begun = true;
            yield chunk;
          }
          return;
        } catch (error) {
          // Half of one source cannot be mended with another.
          if (begun || !(error instanceof ContentMoved)) throw error;
        }
      }
      throw new ContentMoved(path);
    },
  };
}

function* sources(
  side: Side,
  digest: Digest,
  path: Path,
  { state, endpoint, cache, journal }: Holders,
): Generator<AsyncIterable<Uint8Array> | Iterable<Uint8Array>> {
  const cached = cache.get(digest);
  if (cached !== undefined) {
    yield [cached];
    return;
  }
  const other = otherSide(side);
  const places: [Side, Path][] = [[other, path]];
  for (const { path: origin, kept } of state().conflicts) {
    if (kept !== null && (path === kept || path.startsWith(`${kept}/`))) {
      places.push(['container', origin + path.slice(kept.length)]);
    }
  }
  for (const [from, at] of places) {
    const node = nodeAt(state()[from].tree, at);
    const reader = endpoint(from);
    if (reader !== null && node?.kind === 'file' && node.digest === digest) yield reader.read(at, digest);
  }
  const kept = journal.read(digest);
  if (kept !== null) yield kept;
}
