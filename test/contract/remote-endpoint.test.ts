/** The container's folder as the console sees it: shared/disk in the agent, behind a real link of two connections. */
import { ProvenFolders, SyncService } from '../../agent/sync-service.ts';
import { EndpointRouter, RemoteEndpoint } from '../../console/engine/remote-endpoint.ts';
import type { MethodName, Params, Result, StreamKind, StreamOpened, StreamParams } from '../../shared/core/protocol.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import type { Answer, Peer } from '../../shared/link/peer.ts';
import { testFolder } from '../support/folder.ts';
import { peerPair } from '../support/link-pair.ts';
import { endpointContract, type Subject } from './endpoint.ts';

endpointContract('a folder behind the link', async (): Promise<Subject> => {
  const folder = await testFolder();
  const router = new EndpointRouter();
  const agent = Promise.withResolvers<SyncService>();
  const control = await peerPair(
    {
      event: (name, value, attached) => {
        if (name === 'sync.changes') router.changes(value as Parameters<EndpointRouter['changes']>[0], attached);
        if (name === 'sync.lost') router.lost(value as Parameters<EndpointRouter['lost']>[0]);
      },
    },
    { call: async (method, params, attached) => answer(await agent.promise, method, params, attached) },
  );
  const bulk = await peerPair(
    {
      open: (kind, params, stream) => {
        if (kind !== 'content') return Promise.reject(new Error(kind));
        return router.content(params as StreamParams<'content'>, stream) as Promise<StreamOpened<typeof kind>>;
      },
    },
    { open: async (kind, params, stream) => openStream(await agent.promise, kind, params, stream) },
  );
  const service = new SyncService({
    control: control.agent,
    bulk: () => Promise.resolve(bulk.agent),
    changed: () => undefined,
    owner: () => Promise.resolve({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
    proven: new ProvenFolders(),
    log: () => undefined,
  });
  agent.resolve(service);
  const link: { control: Peer; bulk: Promise<Peer> } = {
    control: control.console,
    bulk: Promise.resolve(bulk.console),
  };
  // The contract's own rules, as lines.
  const endpoint = await RemoteEndpoint.open(link, router, folder.root, ['*.ign', 'cache/', '!main.py', '!.env*']);
  return {
    endpoint,
    outside: folder.outside,
    dispose: async () => {
      await endpoint.close().catch(() => undefined); // a test may have closed it
      await service.closeAll();
      await control[Symbol.asyncDispose]();
      await bulk[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
});

async function answer<M extends MethodName>(
  service: SyncService,
  method: M,
  params: Params<M>,
  attached: readonly Uint8Array[],
): Promise<Result<M> | Answer<Result<M>>> {
  const answers: Partial<Record<MethodName, () => Promise<unknown>>> = {
    'sync.open': () => service.open(params as Params<'sync.open'>),
    'sync.scan': () => service.scan(params as Params<'sync.scan'>),
    'sync.watch': () => service.watch(params as Params<'sync.watch'>),
    'sync.unwatch': () => service.unwatch(params as Params<'sync.unwatch'>),
    'sync.apply': () => service.apply(params as Params<'sync.apply'>, attached),
    'sync.left': () => service.left(params as Params<'sync.left'>),
    'sync.release': () => service.release(params as Params<'sync.release'>),
    'sync.close': () => service.close(params as Params<'sync.close'>),
  };
  return (await answers[method]?.()) as Result<M>;
}

function openStream<K extends StreamKind>(
  service: SyncService,
  kind: K,
  params: StreamParams<K>,
  stream: MuxStream,
): Promise<StreamOpened<K>> {
  if (kind === 'read') {
    const { endpoint, path, digest } = params as StreamParams<'read'>;
    service.read(endpoint, path, digest, stream);
  } else {
    const { endpoint, held } = params as StreamParams<'readHeld'>;
    service.readHeld(endpoint, held, stream);
  }
  return Promise.resolve({} as StreamOpened<K>);
}
