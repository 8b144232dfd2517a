/** A Docker Engine of a test's own, which it may end and start again: its socket, data and containers are nobody else's. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from './live.ts';

/** Where an engine's own programs lie that not every user has on the PATH. */
const SYSTEM = '/usr/local/sbin:/usr/sbin:/sbin';
/**
 * No network, and a namespace of its own without one: a daemon that is told to have no bridge deletes docker0 when it
 * starts, whose ever it is (removeDefaultBridgeInterface in moby's daemon_unix.go).
 */
const ALONE = ['--bridge', 'none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'];

export class OwnEngine implements AsyncDisposable {
  // Sockets lie below it, whose paths are short.
  readonly #dir = mkdtempSync(join(tmpdir(), 'dd-engine-'));
  readonly #flags: readonly string[];
  #process: ChildProcess | null = null;

  private constructor(flags: readonly string[]) {
    this.#flags = flags;
  }

  /** `flags`: further ones of dockerd. */
  static async start(...flags: string[]): Promise<OwnEngine> {
    const engine = new OwnEngine(flags);
    try {
      await engine.begin();
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get host(): string {
    return `unix://${join(this.#dir, 'docker.sock')}`;
  }

  /** Resolves when it answers. */
  async begin(): Promise<void> {
    const at = (name: string) => join(this.#dir, name);
    const log = openSync(at('log'), 'a');
    const own = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '--host', this.host];
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${SYSTEM}` };
    // `unshare` becomes dockerd, so that signals reach it.
    const argv = ['--net', 'dockerd', ...own, ...ALONE, ...this.#flags];
    const child = spawn('unshare', argv, { env, stdio: ['ignore', log, log] });
    closeSync(log);
    await once(child, 'spawn');
    this.#process = child;
    await until('the engine answers', async () => {
      if (hasEnded(child)) throw new Error(`dockerd ended: ${readFileSync(at('log'), 'utf8').slice(-2_000)}`);
      return !(await execa('docker', ['version'], { env: { DOCKER_HOST: this.host }, reject: false })).failed;
    });
  }

  /** In order, its containers with it unless it restores them alive. */
  async end(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  async docker(...argv: string[]): Promise<string> {
    return (await execa('docker', argv, { env: { DOCKER_HOST: this.host } })).stdout;
  }

  /** From the engine that the tests share. */
  async take(image: string): Promise<void> {
    const loaded = execa('docker', ['load', '-q'], { env: { DOCKER_HOST: this.host } });
    const saved = execa('docker', ['save', image], { buffer: false, encoding: 'buffer' });
    saved.stdout.pipe(loaded.stdin);
    await Promise.all([saved, loaded]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process !== null) {
      const all = (await this.docker('ps', '-aq')).split('\n').filter(Boolean);
      if (all.length > 0) await this.docker('rm', '-f', ...all);
    }
    await this.end();
    // An engine that has found its containers alive leaves its mount of this folder.
    await execa('umount', ['-l', join(this.#dir, 'data')], { reject: false });
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
