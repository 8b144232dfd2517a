import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DrydockError } from '../../../shared/core/errors.ts';
import { MAX_CHUNK, PROTOCOL_VERSION, STREAM_WINDOW } from '../../../shared/core/protocol.ts';
import type { MuxStream } from '../../../shared/link/mux-stream.ts';
import { Peer, WithAttached, type Service } from '../../../shared/link/peer.ts';
import { peerPair, rawPair } from '../../support/link-pair.ts';

const facts = {
  version: '1',
  pid: 7,
  uid: 0,
  root: '/var/azureml-app',
  rootReason: 'test',
  wayIn: 'injected',
  kitDir: '/opt/drydock',
  bootId: '',
} as const;

/** An agent that answers what the tests ask. `call` is generic over all methods, so the answers are typed at the edge. */
function agent(
  answers: Partial<Record<string, (...args: never[]) => unknown>>,
  open?: (stream: MuxStream) => void,
): Service {
  return {
    call: (method, params, attached, signal) => {
      const answer = answers[method] as ((...args: unknown[]) => unknown) | undefined;
      if (answer === undefined) return Promise.reject(new Error(`no ${method}`));
      return Promise.resolve().then(() => answer(params, attached, signal)) as never;
    },
    open: (_kind, _params, stream) => {
      open?.(stream);
      return Promise.resolve({} as never);
    },
  };
}

async function gather(stream: MuxStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('calls', () => {
  test('a call is answered with a value of its schema', async () => {
    await using pair = await peerPair({}, agent({ facts: () => facts }));
    expect((await pair.console.call('facts', {})).value).toEqual(facts);
  });

  test('attached bytes travel both ways, in order', async () => {
    const seen: Uint8Array[] = [];
    await using pair = await peerPair(
      {},
      agent({
        'sync.apply': (_params: unknown, attached: readonly Uint8Array[]) => {
          seen.push(...attached);
          return new WithAttached({ outcomes: [] }, [Buffer.from('back')]);
        },
      }),
    );
    const answer = await pair.console.call(
      'sync.apply',
      { endpoint: 1, changes: [], inline: [] },
      { attached: [Buffer.from('one'), new Uint8Array(0), Buffer.from('three')] },
    );
    expect(seen.map((bytes) => Buffer.from(bytes).toString())).toEqual(['one', '', 'three']);
    expect(answer.attached.map((bytes) => Buffer.from(bytes).toString())).toEqual(['back']);
  });

  test('an error that a user can meet keeps its code and hint', async () => {
    await using pair = await peerPair(
      {},
      agent({
        facts: () => {
          throw new DrydockError('halted', 'The root is empty.', { hint: 'Fill it.' });
        },
      }),
    );
    await expect(pair.console.call('facts', {})).rejects.toMatchObject({ code: 'halted', hint: 'Fill it.' });
  });

  test('an event that follows a result is heard after whoever awaits the result went on', async () => {
    const order: string[] = [];
    const heard = Promise.withResolvers<null>();
    const peers: Peer[] = [];
    await using pair = await peerPair(
      {
        event: () => {
          order.push('event');
          heard.resolve(null);
        },
      },
      agent({
        facts: () => {
          queueMicrotask(() =>
            queueMicrotask(() => setImmediate(() => peers[0]?.emit('sync.lost', { endpoint: 1, reason: 'x' }))),
          );
          return facts;
        },
      }),
    );
    peers.push(pair.agent);
    await pair.console.call('facts', {});
    order.push('result');
    await heard.promise;
    expect(order).toEqual(['result', 'event']);
  });

  test('a cancelled call rejects at once and the agent is told', async () => {
    const told = Promise.withResolvers<null>();
    await using pair = await peerPair(
      {},
      agent({
        facts: (_params: unknown, _attached: unknown, signal: AbortSignal) => {
          if (signal.aborted) told.resolve(null);
          signal.addEventListener('abort', () => told.resolve(null));
          return told.promise.then(() => facts);
        },
      }),
    );
    const controller = new AbortController();
    const call = pair.console.call('facts', {}, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    await told.promise;
  });

  test('when the link ends every pending call fails', async () => {
    await using pair = await peerPair({}, agent({ facts: () => new Promise(() => undefined) }));
    const call = pair.console.call('facts', {});
    pair.agent.close(new DrydockError('link-lost', 'gone'));
    await expect(call).rejects.toMatchObject({ code: 'link-lost' });
    await expect(pair.console.call('facts', {})).rejects.toMatchObject({ code: 'link-lost' });
  });
});

describe('streams', () => {
  test('50 MB pass unchanged through a slow reader, within the window', async () => {
    const sent = randomBytes(50 * 1024 * 1024);
    await using pair = await peerPair(
      {},
      agent({}, (stream) => {
        stream.end(sent);
      }),
    );
    const { stream } = await pair.console.open('tcp', { port: 1 });
    let most = 0;
    const hash = createHash('sha256');
    for await (const chunk of stream) {
      most = Math.max(most, (chunk as Buffer).byteLength, stream.readableLength);
      hash.update(chunk as Buffer);
    }
    expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(most).toBeLessThanOrEqual(STREAM_WINDOW + MAX_CHUNK);
  });

  test('an echo keeps order both ways and the last word comes after the bytes', async () => {
    await using pair = await peerPair(
      {},
      agent({}, (stream) => {
        void gather(stream).then((bytes) => {
          stream.write(bytes);
          stream.finish({ exitCode: 3 });
        });
      }),
    );
    const { stream } = await pair.console.open('tcp', { port: 1 });
    const sent = randomBytes(1024 * 1024);
    stream.end(sent);
    expect((await gather(stream)).equals(sent)).toBe(true);
    expect(await stream.last).toEqual({ exitCode: 3 });
  });

  test('a stream that nobody reads does not hold up calls', async () => {
    await using pair = await peerPair(
      {},
      agent({ facts: () => facts }, (stream) => {
        stream.end(randomBytes(8 * 1024 * 1024));
      }),
    );
    const { stream } = await pair.console.open('tcp', { port: 1 });
    expect((await pair.console.call('facts', {})).value.pid).toBe(7);
    stream.destroy();
  });

  test('when one side destroys a stream the other one ends', async () => {
    const far = Promise.withResolvers<MuxStream>();
    await using pair = await peerPair(
      {},
      agent({}, (stream) => far.resolve(stream)),
    );
    const { stream } = await pair.console.open('tcp', { port: 1 });
    const remote = await far.promise;
    remote.resume();
    const ended = new Promise((resolve) => remote.once('close', resolve));
    stream.destroy();
    await ended;
  });
});

describe('a peer that breaks the protocol', () => {
  const hello = JSON.stringify({ t: 'hello', protocol: PROTOCOL_VERSION, build: 'b', role: 'agent', session: '' });
  const cases: [string, (string | Buffer)[]][] = [
    ['no JSON', [hello, '{']],
    ['an unknown message', [hello, '{"t":"dance"}']],
    ['a message before hello', ['{"t":"ping","n":1}']],
    ['a second hello', [hello, hello]],
    ['a call to a console, which serves none', [hello, '{"t":"call","id":1,"method":"facts","params":{}}']],
    ['a frame without a stream number', [hello, Buffer.from([1])]],
    ['an attached message longer than its frame', [hello, Buffer.from([0, 0, 0, 0, 0, 0, 1, 0, 1])]],
    ['an event of a wrong shape', [hello, '{"t":"event","name":"service","value":{"port":"x"}}']],
    ['an answer to an opening of a wrong shape', [hello, '{"t":"opened","stream":1,"value":7}']],
    ['an event named like a member of Object', [hello, '{"t":"event","name":"constructor","value":{}}']],
  ];
  test.each(cases)('%s ends the session', async (_name, frames) => {
    await using raw = await rawPair();
    const console = new Peer(raw.client, { build: 'b', role: 'control', session: 's' }, {});
    const opening = console.open('tcp', { port: 1 });
    for (const frame of frames) raw.server.send(frame);
    await expect(opening).rejects.toMatchObject({ code: 'protocol-violation' });
    expect((await console.closed).code).toBe('protocol-violation');
  });

  test('another version of the protocol is named', async () => {
    await using raw = await rawPair();
    const console = new Peer(raw.client, { build: 'b', role: 'control', session: 's' }, {});
    raw.server.send(hello.replace(`"protocol":${PROTOCOL_VERSION}`, '"protocol":999'));
    expect((await console.closed).code).toBe('version-mismatch');
    await expect(console.hello).rejects.toMatchObject({ code: 'version-mismatch' });
  });

  test('more bytes than were granted end the session', async () => {
    await using raw = await rawPair();
    const console = new Peer(raw.client, { build: 'b', role: 'control', session: 's' }, {});
    raw.server.send(hello);
    const opening = console.open('tcp', { port: 1 });
    raw.server.send(JSON.stringify({ t: 'opened', stream: 1, value: {} }));
    await opening;
    const chunk = Buffer.alloc(4 + MAX_CHUNK);
    chunk.writeUInt32BE(1);
    for (let sent = 0; sent <= STREAM_WINDOW + 2 * MAX_CHUNK; sent += MAX_CHUNK) raw.server.send(chunk);
    expect((await console.closed).code).toBe('protocol-violation');
  });
});
