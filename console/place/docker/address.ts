/**
 * Which engine: DOCKER_HOST, else the current docker context, else the default socket; the docker CLI is not run.
 * How contexts lie on disk: docker/cli, `cli/context/store`.
 */
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { DrydockError } from '../../../shared/core/errors.ts';

export interface Address {
  /** "docker: default", "ssh: gpu1" */
  readonly label: string;
  /** As it is called in messages: `unix:///var/run/docker.sock`. */
  readonly host: string;
  readonly options: DockerOptions;
}

/** Rejects with `no-engine` when the context or the certificates it names are not there, `usage` for a host nobody understands. */
export async function findAddress(host: string | undefined, env: NodeJS.ProcessEnv): Promise<Address> {
  const named = host ?? (env['DOCKER_HOST'] === '' ? undefined : env['DOCKER_HOST']);
  if (named !== undefined) {
    const verify = (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
    const certificates = verify ? (env['DOCKER_CERT_PATH'] ?? configDir(env)) : env['DOCKER_CERT_PATH'];
    return parseHost(named, undefined, certificates, env);
  }
  const context = await currentContext(env);
  if (context === 'default') return parseHost(await defaultHost(env), 'default', undefined, env);
  return contextAddress(context, env);
}

async function parseHost(
  host: string,
  context: string | undefined,
  certificates: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Address> {
  const label = `docker: ${context ?? host}`;
  const pipe = /^(?:unix|npipe):\/\/(.+)$/.exec(host)?.[1];
  // dockerode reads DOCKER_HOST on its own: what is not meant is unset by name.
  if (pipe !== undefined) return { label, host, options: { socketPath: pipe, host: undefined, protocol: 'http' } };
  const url = URL.parse(host.includes('://') ? host : `tcp://${host}`);
  if (url === null || !['tcp:', 'http:', 'https:', 'ssh:'].includes(url.protocol) || url.hostname === '') {
    throw new DrydockError('usage', `The Docker host \`${host}\` is not one that Drydock understands.`, {
      hint: 'Set DOCKER_HOST to unix:///path/docker.sock, tcp://HOST:PORT or ssh://USER@HOST.',
    });
  }
  if (url.protocol === 'ssh:') {
    const options: DockerOptions = {
      protocol: 'ssh',
      host: url.hostname,
      port: url.port === '' ? 22 : url.port,
      ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
      sshOptions: env['SSH_AUTH_SOCK'] === undefined ? {} : { agent: env['SSH_AUTH_SOCK'] },
    };
    return { label: `ssh: ${context ?? url.hostname}`, host, options };
  }
  const tls = certificates === undefined ? undefined : await readCertificates(certificates);
  const secure = tls !== undefined || url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 2376 : 2375) : url.port;
  return { label, host, options: { protocol: secure ? 'https' : 'http', host: url.hostname, port, ...tls } };
}

async function readCertificates(dir: string): Promise<Pick<DockerOptions, 'ca' | 'cert' | 'key'>> {
  try {
    const [ca, cert, key] = await Promise.all(['ca', 'cert', 'key'].map((name) => readFile(join(dir, `${name}.pem`))));
    return { ca, cert, key };
  } catch (cause) {
    throw new DrydockError('no-engine', `The certificates for the Docker Engine cannot be read from ${dir}.`, {
      hint: 'Put ca.pem, cert.pem and key.pem there, or point DOCKER_CERT_PATH at the folder that has them.',
      cause,
    });
  }
}

function configDir(env: NodeJS.ProcessEnv): string {
  return env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker');
}

async function currentContext(env: NodeJS.ProcessEnv): Promise<string> {
  const named = env['DOCKER_CONTEXT'] ?? '';
  if (named !== '') return named;
  const config = await readFile(join(configDir(env), 'config.json'), 'utf8').catch(() => '{}');
  return stringAt(parse(config), 'currentContext') ?? 'default';
}

async function contextAddress(name: string, env: NodeJS.ProcessEnv): Promise<Address> {
  const digest = createHash('sha256').update(name).digest('hex');
  const contexts = join(configDir(env), 'contexts');
  const meta = await readFile(join(contexts, 'meta', digest, 'meta.json'), 'utf8').catch(() => '{}');
  const host = stringAt(parse(meta), 'Endpoints', 'docker', 'Host');
  if (host === undefined) {
    throw new DrydockError('no-engine', `The docker context ${name} names no Docker Engine.`, {
      hint: 'See `docker context ls`; `docker context use default` goes back to this machine.',
    });
  }
  const tls = join(contexts, 'tls', digest, 'docker');
  return parseHost(host, name, (await exists(join(tls, 'ca.pem'))) ? tls : undefined, env);
}

/** The system's socket, else Docker Desktop's, else the rootless one; the system's when there is none. */
async function defaultHost(env: NodeJS.ProcessEnv): Promise<string> {
  if (process.platform === 'win32') return 'npipe:////./pipe/docker_engine';
  const system = '/var/run/docker.sock';
  const desktop = join(env['HOME'] ?? homedir(), '.docker', 'run', 'docker.sock');
  const rootless = env['XDG_RUNTIME_DIR'] === undefined ? [] : [join(env['XDG_RUNTIME_DIR'], 'docker.sock')];
  for (const path of [system, desktop, ...rootless]) if (await exists(path)) return `unix://${path}`;
  return `unix://${system}`;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function stringAt(value: unknown, ...path: readonly string[]): string | undefined {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = new Map<string, unknown>(Object.entries(here)).get(key);
  }
  return typeof here === 'string' && here !== '' ? here : undefined;
}
