/** The container's folder as a sync endpoint: shared/disk in the agent, behind the link. */
import { hash } from 'node:crypto';
import type {
  EndpointInfo,
  Observation,
  Outcome,
  Scan,
  Watch,
  Change,
  ContentSource,
  Endpoint,
  Left,
} from '../../shared/core/sync/endpoint.ts';
import { ContentMoved, INLINE_LIMIT } from '../../shared/core/sync/endpoint.ts';
import { DrydockError } from '../../shared/core/errors.ts';
import { manyAtOnce } from '../../shared/core/many.ts';
import type { EventValue, Result, StreamParams } from '../../shared/core/protocol.ts';
import type { Digest, Node, Path } from '../../shared/core/sync/tree.ts';
import { blobAt, Blobs, INLINE_TOTAL } from '../../shared/link/blobs.ts';
import { violation } from '../../shared/link/frames.ts';
import { receiveFile, sendFile } from '../../shared/link/file-stream.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { checkPath, fromWire } from '../../shared/link/wire-tree.ts';

/** Changes that travel together at most: while the agent makes them, those after them are read. */
const PIECE = 1_000;
/** Files that are read at once. */
const READ_AT_ONCE = 8;

/** What both connections need to route to their endpoints: events by number, `content` streams by number. */
export class EndpointRouter {
  readonly #endpoints = new Map<number, RemoteEndpoint>();

  add(endpoint: RemoteEndpoint): void {
    this.#endpoints.set(endpoint.number, endpoint);
  }

  remove(endpoint: RemoteEndpoint): void {
    this.#endpoints.delete(endpoint.number);
  }

  changes(value: EventValue<'sync.changes'>, attached: readonly Uint8Array[]): void {
    this.#endpoints.get(value.endpoint)?.observed(value.changes, attached);
  }

  lost(value: EventValue<'sync.lost'>): void {
    this.#endpoints.get(value.endpoint)?.lostHints(value.reason);
  }

  async content(
    { endpoint, digest, path }: StreamParams<'content'>,
    stream: MuxStream,
  ): Promise<Record<string, never>> {
    const found = this.#endpoints.get(endpoint);
    if (found === undefined) throw violation(`content of endpoint ${endpoint}`);
    void found.pour(digest, path, stream);
    return Promise.resolve({});
  }
}

export class RemoteEndpoint implements Endpoint {
  readonly number: number;
  readonly info: EndpointInfo;
  readonly #control: Peer;
  readonly #bulk: Promise<Peer>;
  readonly #router: EndpointRouter;
  #content: ContentSource | null = null;
  #listener: { onChange: (batch: readonly Observation[]) => void; onLost: (reason: string) => void } | null = null;

  private constructor(opened: Result<'sync.open'>, control: Peer, bulk: Promise<Peer>, router: EndpointRouter) {
    this.number = opened.endpoint;
    this.info = opened.info;
    this.#control = control;
    this.#bulk = bulk;
    this.#router = router;
  }

  static async open(
    link: { control: Peer; bulk: Promise<Peer> },
    router: EndpointRouter,
    root: string,
    rules: readonly string[],
  ): Promise<RemoteEndpoint> {
    const { value } = await link.control.call('sync.open', { root, rules: [...rules] });
    const endpoint = new RemoteEndpoint(value, link.control, link.bulk, router);
    router.add(endpoint);
    return endpoint;
  }

  async scan(): Promise<Scan> {
    const { value } = await this.#control.call('sync.scan', { endpoint: this.number });
    if (value.root === null) return { root: null };
    const wire = value.root;
    return this.#believe(() => {
      const root = fromWire(wire, '');
      if (root.kind !== 'dir') throw violation('a scan whose root is no folder');
      return { root };
    });
  }

  async watch(onChange: (batch: readonly Observation[]) => void, onLost: (reason: string) => void): Promise<Watch> {
    this.#listener = { onChange, onLost };
    await this.#control.call('sync.watch', { endpoint: this.number });
    return {
      close: async () => {
        this.#listener = null;
        if (!this.#control.isClosed) await this.#control.call('sync.unwatch', { endpoint: this.number });
      },
    };
  }

  async *read(path: Path, digest: Digest): AsyncIterable<Uint8Array> {
    const { stream } = await (await this.#bulk).open('read', { endpoint: this.number, path, digest });
    yield* receiveFile(stream, path);
  }

  async apply(batch: readonly Change[], content: ContentSource): Promise<readonly Outcome[]> {
    // One batch in flight (the session's invariant), so one source is enough for the agent's questions.
    this.#content = content;
    const answers: Promise<readonly Outcome[]>[] = [];
    let left = batch.length;
    for (const piece of piecesOf(batch)) {
      left -= piece.length;
      const contents = await gather(piece, content);
      // The next is read while one is made; no more than that waits, here and there.
      await answers.at(-2);
      const answer = this.#applyPiece(piece, contents, left > 0);
      answer.catch(() => undefined); // heard below, or by the next piece
      answers.push(answer);
    }
    return (await Promise.all(answers)).flat();
  }

  async #applyPiece(piece: readonly Change[], contents: Contents, more: boolean): Promise<readonly Outcome[]> {
    const blobs = new Blobs();
    const inline = Array.from(contents, ([digest, data]) => ({ digest, data: blobs.add(data) }));
    const { value, attached } = await this.#control.call(
      'sync.apply',
      { endpoint: this.number, changes: [...piece], inline, ...(more ? { more } : {}) },
      { attached: blobs.list },
    );
    return this.#believe(() => {
      if (value.outcomes.length !== piece.length) throw violation('not as many outcomes as changes');
      // Which path an outcome is about is known here: nothing that the agent says of it is believed.
      return piece.map(({ path }, index) => fromWireOutcome(path, value.outcomes[index], attached));
    });
  }

  async left(): Promise<readonly Left[]> {
    const { value } = await this.#control.call('sync.left', { endpoint: this.number });
    return this.#believe(() => value.left.map((left) => ({ ...left, path: checkPath(left.path) })));
  }

  async *readHeld(held: string): AsyncIterable<Uint8Array> {
    const { stream } = await (await this.#bulk).open('readHeld', { endpoint: this.number, held });
    yield* receiveFile(stream, held);
  }

  async release(held: readonly string[]): Promise<void> {
    await this.#control.call('sync.release', { endpoint: this.number, held: [...held] });
  }

  async close(): Promise<void> {
    this.#router.remove(this);
    this.#listener = null;
    if (!this.#control.isClosed) await this.#control.call('sync.close', { endpoint: this.number });
  }

  // What the agent says -----------------------------------------------------------------------------------------------

  observed(changes: EventValue<'sync.changes'>['changes'], attached: readonly Uint8Array[]): void {
    const batch = changes.map(({ path, node, data }): Observation => {
      const observation = { path: checkPath(path), node: node === null ? null : fromWire(node, path) };
      return data === undefined ? observation : { ...observation, data: bytesOf(node, blobAt(attached, data)) };
    });
    this.#listener?.onChange(batch);
  }

  lostHints(reason: string): void {
    this.#listener?.onLost(reason);
  }

  pour(digest: Digest, path: Path, stream: MuxStream): Promise<void> {
    return sendFile(this.#wanted(digest, path), stream);
  }

  /** An answer that breaks the protocol ends the link, as a message does. */
  #believe<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      this.#control.close(error instanceof DrydockError ? error : violation(String(error)));
      throw error;
    }
  }

  async *#wanted(digest: Digest, path: Path): AsyncIterable<Uint8Array> {
    const bytes = this.#content?.open(digest, checkPath(path));
    if (bytes === undefined) throw new ContentMoved(path);
    yield* bytes;
  }
}

/** Bytes of small files, by digest. */
type Contents = ReadonlyMap<Digest, Uint8Array>;

/** Each with as much as its frame can carry. */
function* piecesOf(batch: readonly Change[]): Generator<readonly Change[]> {
  let from = 0;
  let bytes = 0;
  for (const [at, { after }] of batch.entries()) {
    const size = after?.kind === 'file' && after.size <= INLINE_LIMIT ? after.size : 0;
    if (at > from && (at - from >= PIECE || bytes + size > INLINE_TOTAL)) {
      yield batch.slice(from, at);
      from = at;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < batch.length) yield batch.slice(from);
}

/** What of a piece travels with it; all else comes through bulk, when the agent asks for it. */
async function gather(piece: readonly Change[], content: ContentSource): Promise<Contents> {
  const wanted = new Map<Digest, Path>();
  let bytes = 0;
  for (const { path, after } of piece) {
    if (after?.kind !== 'file' || after.size > INLINE_LIMIT || wanted.has(after.digest)) continue;
    if (bytes + after.size > INLINE_TOTAL) continue;
    bytes += after.size;
    wanted.set(after.digest, path);
  }
  const contents = new Map<Digest, Uint8Array>();
  await manyAtOnce(READ_AT_ONCE, wanted, async ([digest, path]) => {
    const data = await collect(content.open(digest, path));
    // One that moved is missing: the agent will ask, and be told.
    if (data !== null) contents.set(digest, data);
  });
  return contents;
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of bytes) chunks.push(chunk);
  } catch (error) {
    if (error instanceof ContentMoved) return null;
    throw error;
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

function fromWireOutcome(
  path: Path,
  outcome: Result<'sync.apply'>['outcomes'][number] | undefined,
  attached: readonly Uint8Array[],
): Outcome {
  if (outcome === undefined) throw violation('an outcome that is not there');
  switch (outcome.result) {
    case 'done': {
      if (outcome.victim === undefined) return { path, result: 'done' };
      const { data, ...victim } = outcome.victim;
      if (data === undefined) return { path, result: 'done', victim };
      const bytes = bytesOf({ kind: 'file', ...victim }, blobAt(attached, data));
      return { path, result: 'done', victim: { ...victim, data: bytes } };
    }
    case 'refused': {
      const found = outcome.found === null ? null : fromWire(outcome.found, path);
      const refusal = { path, result: 'refused' as const, found };
      if (outcome.data === undefined) return refusal;
      return { ...refusal, data: bytesOf(found, blobAt(attached, outcome.data)) };
    }
    case 'failed':
      return { ...outcome, path };
  }
}

/** Bytes that are what is said of them: nothing is kept under a digest that it does not have. */
function bytesOf(node: (Pick<Node, 'kind'> & { digest?: Digest; size?: number }) | null, data: Uint8Array): Uint8Array {
  if (node?.kind !== 'file' || node.size !== data.byteLength || node.digest !== hash('sha256', data, 'hex')) {
    throw violation('bytes that are not the file’s');
  }
  return data;
}
