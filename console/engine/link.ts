/** From a running container to a link with its agent: the kit is brought in where it is missing or of another build. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { DrydockError } from '../../shared/core/errors.ts';
import type { EventName, EventValue, Role } from '../../shared/core/protocol.ts';
import type { AgentFacts } from '../../shared/core/service.ts';
import { asSocket } from '../../shared/link/duplex-socket.ts';
import { Peer, SOCKET_OPTIONS, type Service } from '../../shared/link/peer.ts';
import { kitDirIn, type Kit } from '../kit/kit.ts';
import type { Facts, Target } from '../place/place.ts';

export interface Link {
  /** Calls, events, shells. */
  readonly control: Peer;
  /** File bytes, on an exec of their own so that no key press waits behind them. */
  readonly bulk: Promise<Peer>;
  readonly facts: AgentFacts;
  /** Resolves with the reason; never rejects. */
  readonly closed: Promise<DrydockError>;
  close(): void;
}

export interface LinkOptions {
  readonly target: Target;
  readonly container: Facts;
  readonly kit: Kit;
  readonly root?: string | undefined;
  /** An agent of another build is not replaced but refused, with `taken`: it came in the place of ours. */
  readonly yields?: boolean;
  /** What is being waited for, for people. */
  readonly onStep: (step: string) => void;
  readonly onEvent: <E extends EventName>(name: E, value: EventValue<E>, attached: readonly Uint8Array[]) => void;
  /** Serves the agent's `content` streams on the bulk connection. */
  readonly bulkService: Service;
}

export async function openLink(options: LinkOptions): Promise<Link> {
  const { target, kit } = options;
  const dir = kitDirIn(options.container.mounts, kit);
  const session = randomUUID();
  const service: Service = { event: options.onEvent };
  options.onStep('looking for the agent');
  // Asked for first: to start what is not there takes ten times as long to fail.
  const isThere = await target.exists(agentIn(dir)[1]);
  if (!isThere) await inject(options, dir);
  let attempt = await dialAgent(options, dir, 'control', session, service);
  if (attempt.kind === 'failed') {
    if (!attempt.kitMissing) throw unusable(attempt.words, options.container, dir);
    await inject(options, dir);
    attempt = await dialAgent(options, dir, 'control', session, service);
  } else if (attempt.build !== kit.build) {
    if (options.yields === true) {
      attempt.peer.close(new DrydockError('link-lost', 'The agent is of another build.'));
      throw new DrydockError('taken', `Another build of Drydock was attached to ${options.container.name} meanwhile.`, {
        hint: 'Only one build is attached to a container at a time. What was edited lies on disk: attach again to go on here.',
      });
    }
    options.onStep('replacing an agent of another build');
    attempt.peer.close(new DrydockError('link-lost', 'The agent is of another build.'));
    await run(target, [...agentIn(dir), 'stop'], options);
    if (isThere) await inject(options, dir);
    attempt = await dialAgent(options, dir, 'control', session, service);
  }
  if (attempt.kind === 'failed') throw unusable(attempt.words, options.container, dir);
  const control = attempt.peer;
  const { value: facts } = await control.call('facts', options.root === undefined ? {} : { root: options.root });
  const bulk = dialAgent(options, dir, 'bulk', session, options.bulkService).then((second) => {
    if (second.kind === 'failed') throw unusable(second.words, options.container, dir);
    // RACE: of an agent that ends the two connections end in any order, and its last answer may still be on its way.
    void second.peer.closed.then((reason) => setTimeout(() => control.close(reason), LAST_WORD_MS).unref());
    void control.closed.then((reason) => second.peer.close(reason));
    return second.peer;
  });
  bulk.catch((error: unknown) => {
    control.close(error instanceof DrydockError ? error : new DrydockError('link-lost', String(error)));
  });
  return {
    control,
    bulk,
    facts,
    closed: control.closed,
    close: () => control.close(new DrydockError('link-lost', 'The console closed the link.')),
  };
}

/** Given to the control connection to end by itself once the other one has. */
const LAST_WORD_MS = 1_000;

const agentIn = (dir: string) => [`${dir}/node`, `${dir}/agent.cjs`] as const;

/** What the container's environment may not do to our own Node. */
const CLEAN = { NODE_OPTIONS: '', LD_PRELOAD: '', LD_LIBRARY_PATH: '', NODE_EXTRA_CA_CERTS: '' } as const;

type Attempt =
  | { readonly kind: 'up'; readonly peer: Peer; readonly build: string }
  | { readonly kind: 'failed'; readonly kitMissing: boolean; readonly words: string };

/** Root acts for every user; where root was stripped of its capabilities the service's own user does. */
function agentUser(container: Facts): { user?: string } {
  if (container.rootCapable) return { user: '0' };
  return container.user === '' ? {} : { user: container.user };
}

async function dialAgent(
  options: LinkOptions,
  dir: string,
  role: Role,
  session: string,
  service: Service,
): Promise<Attempt> {
  const argv = [...agentIn(dir), 'connect', ...(options.root === undefined ? [] : ['--root', options.root])];
  const process = await options.target.spawn(argv, { ...agentUser(options.container), env: CLEAN, cwd: '/' });
  let words = '';
  process.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-4096)));
  const exit = process.exit.then(
    (code) => code,
    () => -1,
  );
  const socket = new WebSocket('ws://agent/', {
    createConnection: () => asSocket(process.stdio),
    // A mask keeps what a page sends from being taken for requests by proxies (RFC 6455, 10.3): none is on this way.
    generateMask: (mask) => mask.fill(0),
    ...SOCKET_OPTIONS,
  });
  const peer = await new Promise<Peer | null>((resolve) => {
    // The peer listens before the first frame can arrive: made in the event's own turn.
    socket.once('open', () => resolve(new Peer(socket, { build: options.kit.build, role, session }, service)));
    socket.once('error', (error) => {
      words += words === '' ? error.message : '';
      resolve(null);
    });
  });
  if (peer === null) {
    process.stdio.destroy();
    const code = await exit;
    // Not there at all, or only in part: an upload that broke off.
    const kitMissing = code === 126 || code === 127 || words.includes('MODULE_NOT_FOUND');
    return { kind: 'failed', kitMissing, words: `${words.trim()} (exit code ${code})` };
  }
  socket.on('close', () => process.stdio.destroy());
  try {
    const { build } = await peer.hello;
    return { kind: 'up', peer, build };
  } catch (error) {
    if (error instanceof DrydockError && error.code === 'version-mismatch') return { kind: 'up', peer, build: 'other' };
    throw error;
  }
}

/**
 * Takes an injected kit away by its own Node, as root: its files are root's, and an owner needs no capability to unlink them. A
 * daemon that still runs goes on from memory.
 */
export async function removeKit(target: Target, container: Facts, dir: string): Promise<void> {
  const script = `require('node:fs').rmSync(${JSON.stringify(dir)}, { recursive: true })`;
  const process = await target.spawn([agentIn(dir)[0], '-e', script], { user: '0', env: CLEAN, cwd: '/' });
  process.stdio.resume();
  process.stderr.resume();
  if ((await process.exit) === 0) return;
  throw new DrydockError('io', `The agent's files cannot be removed from ${container.name}.`, {
    hint: `Remove them: docker exec -u 0 ${container.name} rm -rf ${dir}`,
  });
}

/** Also after a commit, which took the kit away. */
export async function putKit(target: Target, kit: Kit, dir: string): Promise<void> {
  await target.put('/', kit.tar(dir));
}

async function inject({ target, kit, container, onStep }: LinkOptions, dir: string): Promise<void> {
  if (target.arch !== kit.arch) {
    throw new DrydockError(
      'no-agent',
      `${container.name} runs on ${target.arch}; this build's agent is for ${kit.arch}.`,
      {
        hint: 'Use Drydock on a machine of that kind.',
      },
    );
  }
  onStep('bringing the agent in');
  try {
    await putKit(target, kit, dir);
  } catch (cause) {
    if (!container.readOnly) throw cause;
    throw new DrydockError(
      'no-agent',
      `${container.name} has a read-only root file system: the agent cannot be put into it.`,
      {
        hint: 'Run it without --read-only, or bake the agent in with Dockerfile.steps.',
        cause,
      },
    );
  }
}

async function run(target: Target, argv: readonly string[], { container }: { container: Facts }): Promise<number> {
  const process = await target.spawn(argv, { ...agentUser(container), env: CLEAN, cwd: '/' });
  process.stdio.resume();
  process.stderr.resume();
  return process.exit;
}

/** Why our Node does not start there, from its loader's or the engine's own words. */
function unusable(words: string, container: Facts, dir: string): DrydockError {
  const name = container.name;
  const old = /GLIBC(?:XX)?_[\d.]+/.exec(words)?.[0];
  if (old !== undefined) {
    return new DrydockError('no-agent', `The image of ${name} is too old for the agent: it lacks ${old}.`, {
      hint: 'The agent needs glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8): rebuild on a newer base image.',
    });
  }
  const library = /([\w+.-]+\.so[\w.]*): cannot open shared object/.exec(words)?.[1];
  if (library !== undefined) {
    return new DrydockError('no-agent', `The image of ${name} lacks ${library}, which the agent needs.`, {
      hint: 'Install the package that holds it (Debian and Ubuntu: libstdc++6) in the image.',
    });
  }
  if (/no such file or directory|exit code 12[67]/.test(words)) {
    return new DrydockError(
      'no-agent',
      `The agent does not start in ${name}: its image has no glibc (Alpine or scratch?).`,
      {
        hint: 'The agent needs glibc 2.28 or newer: use an image based on Debian, Ubuntu or RHEL.',
      },
    );
  }
  return new DrydockError('no-agent', `The agent does not start in ${name}: ${words}.`, {
    hint: `Look at what it says: docker exec ${name} ${agentIn(dir).join(' ')} serve`,
  });
}
