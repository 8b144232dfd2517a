/** A container and a host folder that are synchronised by a `drydock sync` of its own, edited by users with a ledger. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { World } from '../simulator/world.ts';
import { drydock, LiveContainer, Running, SAMPLE, until, Workspace, type JsonEvent } from '../support/live.ts';
import { Hand, type Answer } from './hand.ts';
import { Ledger } from './ledger.ts';
import { Users } from './users.ts';

export const APP = '/var/azureml-app';
/** Files that nobody edits, so that the users' deletes are never most of the folder. */
const FURNITURE = 100;

export interface PairOptions {
  readonly seed?: number;
  /** Further words of `docker run`. */
  readonly args?: readonly string[];
  /** Of the consoles. */
  readonly env?: Readonly<Record<string, string>>;
  /** The host's folder is a disk of its own, of this size. */
  readonly disk?: string;
}

export class Pair implements AsyncDisposable {
  readonly chance: World;
  readonly ledger = new Ledger();
  readonly workspace = new Workspace();
  readonly #env: Readonly<Record<string, string>>;
  readonly #args: readonly string[];
  #container: LiveContainer | null = null;
  #users: Users | null = null;
  #console: Running | null = null;
  #isMounted = false;

  private constructor({ seed = 1, env = {}, args = [] }: PairOptions) {
    this.chance = new World(seed);
    this.#env = env;
    this.#args = args;
  }

  /** No service runs in it: what is tried here is sync. */
  static async start(options: PairOptions = {}): Promise<Pair> {
    const pair = new Pair(options);
    try {
      if (options.disk !== undefined) await pair.mountDisk(options.disk);
      pair.furnish();
      pair.#container = await pair.newContainer();
      const host = await Hand.onHost(pair.workspace.app, pair.first);
      const hands = { host, container: pair.newHand() };
      pair.#users = new Users(hands, pair.ledger, pair.chance);
      const { dir, env } = pair.workspace;
      const as = { dir, env: { ...env, ...options.env } };
      const met = await drydock([...pair.#sync, '--prefer', 'host', '--once'], as);
      if (met.exitCode !== 0) throw new Error(met.stderr);
      pair.ledger.found((await pair.users.look('host')).found);
      pair.begin();
      return pair;
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
  }

  furnish(): void {
    const folder = join(this.workspace.app, 'furniture');
    mkdirSync(folder);
    for (let n = 0; n < FURNITURE; n++) writeFileSync(join(folder, `${n}.txt`), `${n}\n`);
  }

  async mountDisk(size: string): Promise<void> {
    const { app } = this.workspace;
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', app]);
    this.#isMounted = true;
    cpSync(SAMPLE, app, { recursive: true });
  }

  get container(): LiveContainer {
    if (this.#container === null) throw new Error('There is no container yet.');
    return this.#container;
  }

  get users(): Users {
    if (this.#users === null) throw new Error('There are no users yet.');
    return this.#users;
  }

  get console(): Running {
    if (this.#console === null) throw new Error('There is no console yet.');
    return this.#console;
  }

  get #sync(): string[] {
    return ['sync', this.container.name, '--dir', this.workspace.app, '--no-reload'];
  }

  begin(): void {
    this.#console = new Running([...this.#sync, '--json'], this.workspace, this.#env);
  }

  /** Under the same name when there was one. */
  async newContainer(image?: string): Promise<LiveContainer> {
    return (this.#container = await LiveContainer.start('plain-user', {
      ...(this.#container === null ? {} : { name: this.#container.name }),
      ...(image === undefined ? {} : { image }),
      args: this.#args,
      cold: true,
      command: ['sleep', 'infinity'],
    }));
  }

  newHand(user?: string): Hand {
    return Hand.inContainer(this.container.name, APP, this.first, user);
  }

  /** The last one's went with its container. */
  renewHand(): void {
    this.users.hands.container = this.newHand();
  }

  /** What the hand before had taken away without saying so. */
  readonly first = ({ gone }: Answer): void => this.ledger.took(gone);

  /** So many more edits have arrived. */
  async travelled(edits: number): Promise<void> {
    let left = edits;
    const from = this.console.events.length;
    await this.heard((event, at) => at >= from && event.event === 'synced' && --left <= 0);
  }

  /** An event of the present console that matches, told before or to come. */
  async heard(matches: (event: JsonEvent, at: number) => boolean): Promise<void> {
    const { console } = this;
    if (console.events.some(matches)) return;
    const { promise, resolve } = Promise.withResolvers<null>();
    console.heard = (event) => {
      if (matches(event, console.events.length - 1)) resolve(null);
    };
    await Promise.race([promise, unasked(console)]);
  }

  /** The users rest, and both sides become equal, what was written last included; nothing is lost, nothing of ours is left. */
  async settled(): Promise<void> {
    const { users, ledger, console, workspace } = this;
    await users.rest();
    await users.save('host', 'last-of-host');
    await users.save('container', 'last-of-container');
    let wrongs: string[] = [];
    const isSettled = async () => {
      const { host, container } = { host: await users.look('host'), container: await users.look('container') };
      wrongs = [
        ...[...new Set([...Object.keys(host.found), ...Object.keys(container.found)])]
          .filter((path) => host.found[path] !== container.found[path])
          .map((path) => `differs: ${path}: ${host.found[path] ?? 'nothing'} | ${container.found[path] ?? 'nothing'}`),
        ...[...host.staging, ...container.staging].map((path) => `left: ${path}`),
      ];
      if (wrongs.length > 0) return false;
      wrongs = await ledger.wrongs({ host: host.found, container: container.found }, workspace.stateDir);
      return wrongs.length === 0;
    };
    try {
      await Promise.race([until('both sides are equal', isSettled), unasked(console)]);
    } catch (error) {
      throw new Error([String(error), ...wrongs, lastTold(console)].join('\n'), { cause: error });
    }
  }

  /** As a person does it. */
  async quit(): Promise<void> {
    this.console.kill('SIGTERM');
    const code = await this.console.exited;
    if (code !== 0) throw new Error(`The console ended with ${code}: ${this.console.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#console?.[Symbol.asyncDispose]();
    await this.#users?.[Symbol.asyncDispose]();
    await this.#container?.[Symbol.asyncDispose]();
    if (this.#isMounted) await execa('umount', ['-l', this.workspace.app]);
    this.workspace[Symbol.dispose]();
  }
}

async function unasked(console: Running): Promise<never> {
  throw new Error(`The console ended by itself with ${await console.exited}: ${lastTold(console)}`);
}

function lastTold({ events, stderr }: Running): string {
  return [...events.slice(-10).map((event) => JSON.stringify(event)), stderr].join('\n');
}
