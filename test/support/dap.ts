/** A client of a debug adapter, as an editor is one (Debug Adapter Protocol over TCP). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { parse } from 'jsonc-parser';

type Json = Readonly<Record<string, unknown>>;

export interface Message {
  readonly type: 'event' | 'response' | 'request';
  readonly event?: string;
  readonly command?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: Json;
}

/** The first entry of a launch.json, as an editor reads it that has the folder of its `.vscode` open. */
export function launchEntry(file: string): Json {
  const text = readFileSync(file, 'utf8').replaceAll('${workspaceFolder}', dirname(dirname(file)));
  return (parse(text) as { configurations: [Json] }).configurations[0];
}

/** A debug adapter that runs by itself, as an editor starts one: `folder` holds debugpy. */
export class Adapter implements AsyncDisposable {
  readonly #port: number;
  readonly #ended: Promise<unknown>;
  readonly #child;

  constructor(folder: string, port: number) {
    this.#port = port;
    this.#child = spawn(PYTHON, ['-m', 'debugpy.adapter', '--host', '127.0.0.1', '--port', String(port)], {
      env: { ...process.env, PYTHONPATH: folder },
      stdio: 'ignore',
    });
    this.#ended = once(this.#child, 'close');
  }

  /** Once it accepts one. */
  async client(): Promise<DapClient> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      try {
        return await DapClient.connect(this.#port);
      } catch (error) {
        if (this.#child.exitCode !== null || performance.now() > end) throw error;
        await new Promise((next) => setTimeout(next, 50));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }
}

export const PYTHON = process.env['DRYDOCK_TEST_PYTHON'] ?? 'python3';

/** How long a test waits before it gives up. Milliseconds. */
const PATIENCE = 60_000;

export class DapClient implements Disposable {
  readonly #socket: Socket;
  readonly #messages: Message[] = [];
  #seq = 0;
  #rest = Buffer.alloc(0);
  /** Wakes whoever waits. */
  #news = Promise.withResolvers<null>();
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => {
      this.#rest = Buffer.concat([this.#rest, data]);
      this.#read();
      this.#tell();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#closed = true;
      this.#tell();
    });
  }

  /** Ready means that `initialize` is answered: a published port accepts connections even with nobody behind it. */
  static async connect(port: number): Promise<DapClient> {
    const socket = createConnection({ host: '127.0.0.1', port });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new DapClient(socket);
    await client.ask('initialize', {
      adapterID: 'debugpy',
      pathFormat: 'path',
      linesStartAt1: true,
      columnsStartAt1: true,
    });
    return client;
  }

  /** As an editor attaches: breakpoints by line, in files of this machine. `config` is launch.json's entry. */
  async attach(config: Json, breakpoints: Readonly<Record<string, readonly number[]>>): Promise<void> {
    const attached = this.ask('attach', config);
    await this.event('initialized');
    for (const [path, lines] of Object.entries(breakpoints)) {
      await this.ask('setBreakpoints', { source: { path }, breakpoints: lines.map((line) => ({ line })) });
    }
    await this.ask('configurationDone', {});
    await attached;
  }

  async ask(command: string, args: Json): Promise<Json> {
    const seq = (this.#seq += 1);
    const body = JSON.stringify({ seq, type: 'request', command, arguments: args });
    this.#socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    const answer = await this.#until(`an answer to ${command}`, (message) => message.request_seq === seq);
    if (answer.success !== true) throw new Error(`${command}: ${answer.message ?? ''}`);
    return answer.body ?? {};
  }

  /** The next one of that name which nobody has taken. */
  async event(name: string): Promise<Json> {
    const told = await this.#until(
      `the event ${name}`,
      (message) => message.type === 'event' && message.event === name,
    );
    return told.body ?? {};
  }

  /** Where it stands: waits for that. */
  async stopped(): Promise<{ threadId: number; frameId: number; name: string; line: number; path: string }> {
    const { threadId } = (await this.event('stopped')) as { threadId: number };
    const { stackFrames } = (await this.ask('stackTrace', { threadId })) as {
      stackFrames: { id: number; name: string; line: number; source: { path: string } }[];
    };
    const [frame] = stackFrames;
    if (frame === undefined) throw new Error('it stands nowhere');
    return { threadId, frameId: frame.id, name: frame.name, line: frame.line, path: frame.source.path };
  }

  async locals(frameId: number): Promise<{ reference: number; values: Readonly<Record<string, string>> }> {
    const { scopes } = (await this.ask('scopes', { frameId })) as {
      scopes: { name: string; variablesReference: number }[];
    };
    const reference = scopes.find(({ name }) => name === 'Locals')?.variablesReference ?? 0;
    const { variables } = (await this.ask('variables', { variablesReference: reference })) as {
      variables: { name: string; value: string }[];
    };
    return { reference, values: Object.fromEntries(variables.map(({ name, value }) => [name, value])) };
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #until(what: string, matches: (message: Message) => boolean): Promise<Message> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const at = this.#messages.findIndex(matches);
      const [found] = at < 0 ? [] : this.#messages.splice(at, 1);
      if (found !== undefined) return found;
      if (this.#closed) throw new Error(`The adapter closed the connection before ${what}.`);
      const left = end - performance.now();
      if (left <= 0) throw new Error(`Waited ${PATIENCE} ms for ${what}. It said: ${JSON.stringify(this.#messages)}`);
      const late = Promise.withResolvers<null>();
      const timer = setTimeout(() => late.resolve(null), left);
      await Promise.race([this.#news.promise, late.promise]);
      clearTimeout(timer);
    }
  }

  #tell(): void {
    this.#news.resolve(null);
    this.#news = Promise.withResolvers();
  }

  #read(): void {
    for (;;) {
      const at = this.#rest.indexOf('\r\n\r\n');
      if (at < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#rest.subarray(0, at).toString())?.[1]);
      if (this.#rest.length < at + 4 + length) return;
      this.#messages.push(JSON.parse(this.#rest.subarray(at + 4, at + 4 + length).toString()) as Message);
      this.#rest = this.#rest.subarray(at + 4 + length);
    }
  }
}
