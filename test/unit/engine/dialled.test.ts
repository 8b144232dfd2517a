/** Processes that dial out to a debugger, over a real link to an editor's port. */
import { once } from 'node:events';
import { createServer, createConnection, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { DialledPort } from '../../../agent/dialled.ts';
import { DialledEditor } from '../../../console/engine/dialled.ts';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { MuxStream } from '../../../shared/link/mux-stream.ts';
import { peerPair } from '../../support/link-pair.ts';
import { until } from '../../support/live.ts';

async function listening(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port }, resolve));
  return (server.address() as AddressInfo).port;
}

/** A port that nobody listens at. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise((closed) => server.close(closed));
  return port;
}

test.each(['ends', 'is reset'])('one that %s while it waits for the editor is not given to it', async (how) => {
  const [inside, outside] = [await freePort(), await freePort()];
  let waiting = 0;
  let given = 0;
  const editor = new DialledEditor({
    port: outside,
    timeoutMs: 600_000,
    onWaiting: () => (waiting += 1),
    onConnected: () => (given += 1),
    onGivenUp: () => undefined,
  });
  await using pair = await peerPair(
    { open: (_kind, _params, stream) => editor.take(stream).then(() => ({}) as never) },
    {},
  );
  const port = new DialledPort(() => Promise.resolve(pair.agent));
  await port.listen(inside);
  const dial = async (word: string): Promise<Socket> => {
    const socket = createConnection({ host: '127.0.0.1', port: inside });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(word);
    return socket;
  };

  const first = await dial('first');
  await until('the first one waits', () => waiting === 1);
  if (how === 'ends') first.destroy();
  else first.resetAndDestroy();
  const second = await dial('second');
  await until('the second one waits in its place', () => waiting === 2);

  const heard: string[] = [];
  const adapter = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (data) => heard.push(data.toString()));
    socket.write('hello');
  });
  await listening(adapter, outside);
  const [hello] = (await once(second, 'data')) as [Buffer];
  expect(hello.toString()).toBe('hello');
  await until('its word has come', () => heard.length > 0);
  expect({ heard, given }).toEqual({ heard: ['second'], given: 1 });
  second.destroy();
  await port.listen(null);
  adapter.close();
});

/** An agent that listens, and a console without an editor, whose answer is `taken`. */
async function withoutEditor(taken: (stream: MuxStream) => Promise<never>) {
  const inside = await freePort();
  const pair = await peerPair({ open: (_kind, _params, stream) => taken(stream) }, {});
  const port = new DialledPort(() => Promise.resolve(pair.agent));
  await port.listen(inside);
  return {
    dial: async () => {
      const socket = createConnection({ host: '127.0.0.1', port: inside });
      await once(socket, 'connect');
      return socket;
    },
    [Symbol.asyncDispose]: async () => {
      await port.listen(null);
      await pair[Symbol.asyncDispose]();
    },
  };
}

const refused = () => Promise.reject(new DrydockError('io', 'Nobody listens.'));

test('one that no editor takes is told so, heard and let go', async () => {
  await using at = await withoutEditor(refused);
  const worker = await at.dial();
  let asked = '';
  worker.on('data', (data: Buffer) => {
    asked += data.toString();
    if (asked.includes('configurationDone')) worker.write('{"type": "response", "command": "configurationDone"}');
  });
  await once(worker, 'close');
  expect(asked.match(/"command":"\w+"/g)).toHaveLength(3);
});

test('one that ends before it has answered leaves nothing behind', async () => {
  await using at = await withoutEditor(refused);
  const worker = await at.dial();
  await once(worker, 'data');
  worker.end('{"type": "event"}');
  await once(worker, 'close');
});

test('one that speaks for ever before an editor has spoken is let go', async () => {
  let cancelled = false;
  await using at = await withoutEditor((stream) => {
    stream.once('close', () => (cancelled = true));
    return new Promise(() => undefined);
  });
  const talker = await at.dial();
  const reset = once(talker, 'error');
  talker.write(Buffer.alloc(16 * 1024 * 1024));
  await reset;
  await until('it is no longer given to an editor', () => cancelled);
});
