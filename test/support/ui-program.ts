/** The console on a fake engine, in a terminal, with the strings in the test's hands. */
import { build, type Plugin } from 'esbuild';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Heard, Order } from '../fixtures/ui/remote.ts';
import { Terminal, type TerminalOptions } from './terminal.ts';

const PROJECT = join(import.meta.dirname, '../..');

/** Bundles the fixture as the console itself is bundled; resolves to the program's path. */
export async function bundleUi(name: string): Promise<string> {
  const outfile = join(PROJECT, 'build/test', `${name}.mjs`);
  await build({
    entryPoints: [join(PROJECT, 'test/fixtures/ui/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    jsx: 'automatic',
    external: ['node-pty'],
    plugins: [withoutDevTools],
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  return outfile;
}

/** Ink offers React's developer tools, which are not installed. */
const withoutDevTools: Plugin = {
  name: 'without-devtools',
  setup(bundler) {
    bundler.onResolve({ filter: /^react-devtools-core$/ }, ({ path }) => ({ path, namespace: 'empty' }));
    bundler.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export default {};' }));
  },
};

export class UiProgram implements AsyncDisposable {
  readonly terminal: Terminal;
  readonly heard: Heard[] = [];
  readonly #server: Server;
  readonly #socket: Promise<Socket>;
  readonly #listeners = new Set<() => void>();

  private constructor(terminal: Terminal, server: Server, socket: Promise<Socket>) {
    this.terminal = terminal;
    this.#server = server;
    this.#socket = socket;
  }

  static async start(program: string, options: TerminalOptions = {}): Promise<UiProgram> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const socket = once(server, 'connection').then(([connection]) => connection as Socket);
    const terminal = Terminal.start([process.execPath, program], {
      ...options,
      env: { HOME: '/home/ada', TZ: 'UTC', UI_PORT: String(port), ...options.env },
    });
    const ui = new UiProgram(terminal, server, socket);
    const connection = await Promise.race([
      socket,
      terminal.exited.then(() => Promise.reject(new Error(`The program ended at once:\n${terminal.output}`))),
    ]);
    connection.on('error', () => undefined); // the program has ended
    createInterface({ input: connection }).on('line', (line) => {
      ui.heard.push(JSON.parse(line) as Heard);
      for (const listener of ui.#listeners) listener();
    });
    return ui;
  }

  async order(...orders: readonly Order[]): Promise<void> {
    const socket = await this.#socket;
    for (const order of orders) socket.write(`${JSON.stringify(order)}\n`);
  }

  /** Until the console has asked the engine for `asked`; resolves to what it said with it. */
  async asked(asked: string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const look = () => {
      const heard = this.heard.find((candidate) => candidate.asked === asked);
      if (heard !== undefined) resolve(heard.argument);
    };
    this.#listeners.add(look);
    look();
    try {
      return await promise;
    } finally {
      this.#listeners.delete(look);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
    (await this.#socket).destroy();
    this.#server.close();
  }
}
