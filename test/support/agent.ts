/** The agent's server in a process of its own, and a console's connections to it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createConnection as connectTo } from 'node:net';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { EndpointRouter, RemoteEndpoint } from '../../console/engine/remote-endpoint.ts';
import type { EventValue, StreamOpened, StreamParams } from '../../shared/core/protocol.ts';
import { asSocket } from '../../shared/link/duplex-socket.ts';
import { Peer, SOCKET_OPTIONS, type Hello, type Service } from '../../shared/link/peer.ts';
import { folder } from './disk.ts';
import type { TestFolder } from './folder.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/link/', import.meta.url));

/** A program of test/fixtures/link that answers each line with one. */
export class Program {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<unknown>;
  /** What it wrote to its standard error. */
  log = '';
  readonly #lines: Interface;

  private constructor(name: string, args: readonly string[]) {
    this.child = spawn(process.execPath, [`${FIXTURES}${name}`, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    this.ended = once(this.child, 'close');
    this.#lines = createInterface({ input: this.child.stdout });
  }

  static async start(name: string, ...args: readonly string[]): Promise<Program> {
    const program = new Program(name, args);
    onTestFinished(async () => {
      program.child.stdin.end();
      await program.ended;
    });
    await program.line();
    return program;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  ask(question: string): Promise<string> {
    const answer = this.line();
    this.child.stdin.write(`${question}\n`);
    return answer;
  }

  /** Until its log says so, now or later. */
  async says(words: string): Promise<void> {
    while (!this.log.includes(words)) await once(this.child.stderr, 'data');
  }

  /** Its next line; rejects when it ends before. */
  async line(): Promise<string> {
    const ended = this.ended.then(() => Promise.reject(new Error(`it ended: ${this.log.slice(-4096)}`)));
    const [line] = (await Promise.race([once(this.#lines, 'line'), ended])) as [string];
    return line;
  }
}

/** Its folder is the app's. */
export interface Agent extends TestFolder {
  readonly program: Program;
  readonly socket: string;
}

export async function agent(): Promise<Agent> {
  const app = await folder();
  const socket = `${(await folder()).base}/socket`;
  return { ...app, socket, program: await Program.start('agent.ts', socket, app.root) };
}

function dial(socket: string): WebSocket {
  const createConnection = () => asSocket(connectTo({ path: socket }));
  return new WebSocket('ws://agent/', { createConnection, ...SOCKET_OPTIONS });
}

/** A connection that says what a test wants it to. */
export async function connect(socket: string): Promise<WebSocket> {
  const made = dial(socket);
  await once(made, 'open');
  return made;
}

export function peerTo(socket: string, hello: Partial<Hello> = {}, service: Service = {}): Promise<Peer> {
  const own: Hello = { build: 'b', role: 'control', session: randomUUID(), ...hello };
  const made = dial(socket);
  // In the event's own turn, before the first frame can arrive.
  return new Promise((resolve) => made.once('open', () => resolve(new Peer(made, own, service))));
}

/** An agent's folder as the console has it. */
export async function remote({ socket, root }: Agent): Promise<RemoteEndpoint> {
  const router = new EndpointRouter();
  const session = randomUUID();
  const control = await peerTo(
    socket,
    { session },
    {
      event: (name, value, attached) => {
        if (name === 'sync.changes') router.changes(value as EventValue<'sync.changes'>, attached);
        if (name === 'sync.lost') router.lost(value as EventValue<'sync.lost'>);
      },
    },
  );
  await control.hello;
  const bulk = peerTo(
    socket,
    { session, role: 'bulk' },
    {
      open: (kind, params, stream) =>
        router.content(params as StreamParams<'content'>, stream) as Promise<StreamOpened<typeof kind>>,
    },
  );
  return RemoteEndpoint.open({ control, bulk }, router, root, []);
}
