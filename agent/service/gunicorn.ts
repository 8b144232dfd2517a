/** gunicorn's settings as it takes them: a configuration file, over it GUNICORN_CMD_ARGS, over both the command line. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PythonCommand } from './argv.ts';
import type { Environment } from './environment.ts';

/** gunicorn's options that take no value, in all versions from 19.9 to 27 (gunicorn/config.py, `store_true`). */
const SWITCHES = new Set(
  (
    '-D -R -h -v --daemon --enable-stdio-inheritance --help --version --check-config --print-config --preload ' +
    '--reload --spew --no-sendfile --reuse-port --capture-output --log-syslog --initgroups --proxy-protocol ' +
    '--disable-redirect-access-to-syslog --suppress-ragged-eofs --do-handshake-on-connect --strip-header-spaces ' +
    '--permit-obsolete-folding --permit-unconventional-http-method --permit-unconventional-http-version ' +
    '--casefold-http-method --no-control-socket'
  ).split(' '),
);

/** What one source says; what it is silent about is absent. */
export interface GunicornArguments {
  /** `module:attribute` */
  readonly app?: string;
  readonly ports: readonly number[];
  readonly chdir?: string;
  readonly preload?: boolean;
  /** The configuration file, with or without `file:` in front. */
  readonly config?: string;
  /** Seconds without a heartbeat after which a worker is ended; 0 never. */
  readonly timeout?: number;
  /** Requests after which a worker is replaced; 0 never. */
  readonly maxRequests?: number;
  /** `--env NAME=VALUE` */
  readonly env: Readonly<Record<string, string>>;
}

export function parseGunicorn(args: readonly string[]): GunicornArguments {
  let read: GunicornArguments = { ports: [], env: {} };
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? '';
    if (!word.startsWith('-')) {
      if (read.app === undefined) read = { ...read, app: word };
      continue;
    }
    if (SWITCHES.has(word)) {
      if (word === '--preload') read = { ...read, preload: true };
      continue;
    }
    const short = /^-[A-Za-z](.+)$/s.exec(word);
    const long = /^(--[^=]+)=(.*)$/s.exec(word);
    const name = long?.[1] ?? word.slice(0, word.startsWith('--') ? undefined : 2);
    const value = long?.[2] ?? (word.startsWith('--') ? undefined : short?.[1]) ?? args[++i] ?? '';
    read = withOption(read, name, value);
  }
  return read;
}

function withOption(read: GunicornArguments, name: string, value: string): GunicornArguments {
  switch (name) {
    case '-b':
    case '--bind':
      return { ...read, ports: [...read.ports, ...portOf(value)] };
    case '-c':
    case '--config':
      return { ...read, config: value };
    case '-e':
    case '--env': {
      const [variable = '', ...rest] = value.split('=');
      return { ...read, env: { ...read.env, [variable]: rest.join('=') } };
    }
    case '-t':
    case '--timeout':
      return { ...read, timeout: Number(value) };
    case '--chdir':
      return { ...read, chdir: value };
    case '--max-requests':
      return { ...read, maxRequests: Number(value) };
    default:
      return read;
  }
}

function portOf(address: string): number[] {
  const port = /^(?!unix:).*?:(\d+)$/.exec(address)?.[1];
  return port === undefined ? [] : [Number(port)];
}

/**
 * What a configuration file sets to a literal at its top level. It is Python: what it computes is not known here, and
 * then the process itself (its socket, its working folder) tells.
 */
export function parseConfigFile(text: string): GunicornArguments {
  const literal = (name: string): string | undefined => {
    const assignment = new RegExp(`^${name}[ \\t]*=[ \\t]*(?:"([^"]*)"|'([^']*)'|([\\w.]+))[ \\t]*(?:#.*)?$`, 'm');
    const [, double, single, bare] = assignment.exec(text) ?? [];
    return double ?? single ?? bare;
  };
  const number = (name: string): number | undefined => {
    const value = literal(name);
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  const app = literal('wsgi_app');
  const chdir = literal('chdir');
  const timeout = number('timeout');
  const maxRequests = number('max_requests');
  return {
    ...(app !== undefined && { app }),
    ports: portOf(literal('bind') ?? ''),
    ...(chdir !== undefined && { chdir }),
    ...(literal('preload_app') === 'True' && { preload: true }),
    ...(timeout !== undefined && { timeout }),
    ...(maxRequests !== undefined && { maxRequests }),
    env: {},
  };
}

export interface GunicornSettings extends GunicornArguments {
  readonly timeout: number;
  readonly maxRequests: number;
  /** Which source names the application, in words; null when none does. */
  readonly appSource: string | null;
  readonly portSource: string | null;
}

/** gunicorn's own (config.py, `Timeout`). */
const DEFAULT_TIMEOUT = 30;

export function gunicornSettings(command: PythonCommand, environ: Environment, cwd: string): GunicornSettings {
  const line = parseGunicorn(command.args);
  const env = parseGunicorn((environ['GUNICORN_CMD_ARGS'] ?? '').split(/\s+/).filter(Boolean));
  const name = (line.config ?? env.config ?? './gunicorn.conf.py').replace(/^file:/, '');
  const file = parseConfigFile(read(resolve(cwd, name)));
  const sources = [
    { from: file, words: name },
    { from: env, words: 'GUNICORN_CMD_ARGS' },
    { from: line, words: 'the command line' },
  ];
  const app = sources.findLast(({ from }) => from.app !== undefined);
  const bound = sources.findLast(({ from }) => from.ports.length > 0);
  const defaults = { timeout: DEFAULT_TIMEOUT, maxRequests: 0 };
  return {
    ...Object.assign(defaults, file, env, line),
    env: { ...file.env, ...env.env, ...line.env },
    ports: bound?.from.ports ?? [],
    appSource: app?.words ?? null,
    portSource: bound?.words ?? null,
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // there is none, or it may not be read: it says nothing
  }
}
