/** What one connected console may do: dispatch of its calls and streams. */
import { DrydockError } from '../shared/core/errors.ts';
import type { MethodName, Params, Result, StreamKind, StreamOpened, StreamParams } from '../shared/core/protocol.ts';
import type { MuxStream } from '../shared/link/mux-stream.ts';
import type { Answer, Peer } from '../shared/link/peer.ts';
import { dropCaches } from './caches.ts';
import { DialledPort } from './dialled.ts';
import { listModels, modelsFolder } from './models/list.ts';
import { lookAtModel } from './models/look.ts';
import { putModel } from './models/put.ts';
import { sendModelFile } from './models/send.ts';
import { ModelWatch } from './models/watch.ts';
import type { ServerOptions } from './server.ts';
import { openCommand, openShell } from './shell.ts';
import { SyncService, type ProvenFolders } from './sync-service.ts';
import { openTcp } from './tcp.ts';

type Handlers = {
  [M in MethodName]: (
    params: Params<M>,
    attached: readonly Uint8Array[],
    signal: AbortSignal,
  ) => Promise<Result<M> | Answer<Result<M>>>;
};

type Openers = { [K in StreamKind]: (params: StreamParams<K>, stream: MuxStream) => Promise<StreamOpened<K>> };

const NOT_DEBUGGED = { pid: null, version: null, own: false, clients: 0, waitsUntil: null, trouble: null };

export class Session {
  readonly #peer: Peer;
  readonly #options: ServerOptions;
  readonly #client = Symbol('console');
  readonly #bulk = Promise.withResolvers<Peer>();
  #hasBulk = false;
  readonly #sync: SyncService;
  readonly #unsubscribe: () => void;
  readonly #handlers: Handlers;
  readonly #openers: Openers;
  #models: ModelWatch | null = null;
  readonly #dialled: DialledPort;
  #requests: (() => void) | null = null;

  constructor(peer: Peer, options: ServerOptions, proven: ProvenFolders) {
    this.#peer = peer;
    this.#options = options;
    const { service } = options;
    this.#sync = new SyncService({
      control: peer,
      bulk: () => this.#bulk.promise,
      changed: (paths, origin) => service.changed(paths, origin),
      owner: () => service.access.workerContext(),
      proven,
      log: options.log,
    });
    this.#dialled = new DialledPort(() => this.#bulk.promise);
    this.#unsubscribe = service.onChange((state) => peer.emit('service', state));
    const sync = this.#sync;
    this.#handlers = {
      facts: async ({ root }) => {
        if (root !== undefined) service.useRoot(root);
        return Promise.resolve(options.facts());
      },
      'sync.open': (params) => sync.open(params),
      'sync.scan': (params) => sync.scan(params),
      'sync.watch': (params) => sync.watch(params),
      'sync.unwatch': (params) => sync.unwatch(params),
      'sync.apply': async (params, attached) => {
        await this.#untilSwitched();
        return sync.apply(params, attached);
      },
      'sync.left': (params) => sync.left(params),
      'sync.release': (params) => sync.release(params),
      'sync.close': (params) => sync.close(params),
      'service.state': async () => Promise.resolve(service.state()),
      'service.reload': () => service.reload(),
      'service.check-start': ({ batch }) =>
        batch === undefined ? service.checkStart() : options.probes.checkStart(batch),
      'service.follow': (params) => service.follow(this.#client, params),
      'service.debug': async ({ on, wait }) => {
        if (on) return service.debugger.want(this.#client, wait);
        service.debugger.drop(this.#client);
        return NOT_DEBUGGED;
      },
      'service.door': async () => {
        const { entries, ...door } = await service.access.door();
        return { ...door, entries: [...entries] };
      },
      'debug.listen': async ({ port }) => {
        await this.#dialled.listen(port);
        service.debugger.dialled(this.#client, port !== null);
        return { told: (await service.access.workerContext()).env['AZUREML_DEBUG_PORT'] ?? null };
      },
      'requests.list': async ({ watch }) => {
        if (watch && !peer.isClosed) {
          this.#requests?.();
          this.#requests = options.requests.log.onAdded((summary, bytes) => peer.emit('request', { summary, bytes }));
        }
        const { requests, ...size } = options.requests.log.list();
        return Promise.resolve({ requests: [...requests], ...size });
      },
      'requests.get': async ({ id }) => Promise.resolve({ exchange: options.requests.log.get(id) }),
      'requests.send': ({ request, timeoutMs, source }) => options.requests.send(request, timeoutMs, source),
      'requests.keep': ({ exchange }) => options.requests.keep(exchange),
      'requests.sample': async () => ({ request: await options.requests.sample() }),
      'requests.load': (wish, _attached, signal) => options.requests.load(wish, signal),
      'probe.run': (question) => options.probes.run(question),
      'model.look': async ({ name }) => lookAtModel(options.facts().kitDir, await service.access.workerContext(), name),
      'model.list': async ({ watch }) => {
        const root = () => service.root().path;
        const list = await listModels(modelsFolder(root()));
        if (watch && !peer.isClosed) {
          this.#models?.close();
          this.#models = new ModelWatch(root, list, (news) => peer.emit('models', news));
        }
        return list;
      },
      'commit.prepare': async ({ dropKit }) => {
        await Promise.all([service.prepareCommit(), sync.tidy(), dropCaches(service.root().path)]);
        return { kitDropped: dropKit && (await options.dropKit()) };
      },
      'commit.done': async () => {
        await service.commitDone();
        return {};
      },
      detach: async () => {
        await service.detach();
        setImmediate(options.quit); // after the answer is on its way
        return {};
      },
    };
    this.#openers = {
      shell: async (params, stream) => openShell(params, stream, await service.access.workerContext()),
      exec: async (params, stream) => openCommand(params, stream, await service.access.workerContext()),
      tcp: async ({ port }, stream) => {
        await openTcp(port, stream);
        return {};
      },
      debug: async (_, stream) => {
        const { pid, port } = await service.debugger.target();
        await openTcp(port, stream);
        stream.once('close', service.debugger.connected());
        return { pid };
      },
      dialled: () => Promise.reject(new DrydockError('protocol-violation', 'Only the agent tells who dialled.')),
      read: async ({ endpoint, path, digest }, stream) => {
        sync.read(endpoint, path, digest, stream);
        return Promise.resolve({});
      },
      model: async ({ name, folder }, tar) => {
        const owner = await service.access.workerContext();
        void putModel({ folder, name, owner, tar, reload: () => service.reload() }).then(
          (last) => tar.finish(last),
          (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
        );
        return {};
      },
      modelFile: (wanted, stream) => sendModelFile(wanted, modelsFolder(service.root().path), stream),
      readHeld: async ({ endpoint, held }, stream) => {
        sync.readHeld(endpoint, held, stream);
        return Promise.resolve({});
      },
      content: () => Promise.reject(new DrydockError('protocol-violation', 'Only the agent asks for content.')),
    };
  }

  joinBulk(peer: Peer): void {
    if (this.#hasBulk) throw new DrydockError('protocol-violation', 'A second bulk connection.');
    this.#hasBulk = true;
    this.#bulk.resolve(peer);
  }

  call<M extends MethodName>(
    method: M,
    params: Params<M>,
    attached: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<Result<M> | Answer<Result<M>>> {
    return this.#handlers[method](params, attached, signal);
  }

  open<K extends StreamKind>(kind: K, params: StreamParams<K>, stream: MuxStream): Promise<StreamOpened<K>> {
    return this.#openers[kind](params, stream);
  }

  /**
   * Between a trial that succeeded and the new workers' import, a save would reach the master untried: it waits. What
   * others write in the container at that moment is not held off.
   */
  async #untilSwitched(): Promise<void> {
    const { service } = this.#options;
    const switching = () => ['switching', 'answering'].includes(service.state().phase);
    if (!switching()) return;
    await new Promise<void>((resolve) => {
      const stop = service.onChange(() => {
        if (switching()) return;
        stop();
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#models?.close();
    this.#requests?.();
    this.#options.service.debugger.drop(this.#client);
    this.#options.service.debugger.dialled(this.#client, false);
    await this.#dialled.listen(null);
    await this.#options.service.follow(this.#client, null);
    const reason = await Promise.race([this.#peer.closed, Promise.resolve(null)]);
    if (reason === null) this.#peer.close(new DrydockError('link-lost', 'The agent is ending.'));
    this.#bulk.promise.then(
      (bulk) => bulk.close(new DrydockError('link-lost', 'The session is over.')),
      () => undefined,
    );
    await this.#sync.closeAll();
  }
}
