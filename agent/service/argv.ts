/** Reads a Python server's command line: the interpreter, its flags, the program and what the program was told. */
import { basename } from 'node:path';

export interface PythonCommand {
  readonly interpreter: string;
  /** The interpreter's own flags: `-u`, `-X dev`, … */
  readonly flags: readonly string[];
  readonly program: { readonly kind: 'script' | 'module'; readonly name: string };
  readonly args: readonly string[];
}

/**
 * Null for anything that is no Python running a script or a module. An emulator (qemu, Rosetta) in front of the
 * interpreter is skipped.
 */
export function parsePython(argv: readonly string[]): PythonCommand | null {
  const at = argv.slice(0, 2).findIndex((word) => /^(python|pypy)[\d.]*$/.test(basename(word)));
  const interpreter = argv[at];
  if (at < 0 || interpreter === undefined) return null;
  const flags: string[] = [];
  for (let i = at + 1; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (!word.startsWith('-')) {
      return { interpreter, flags, program: { kind: 'script', name: word }, args: argv.slice(i + 1) };
    }
    if (word === '--check-hash-based-pycs') {
      flags.push(word, argv[++i] ?? '');
      continue;
    }
    const letters = /^-([A-Za-z]*?)([mcWX])(.*)$/.exec(word);
    if (letters === null) {
      flags.push(word);
      continue;
    }
    const [, before = '', letter = '', rest = ''] = letters;
    const value = rest === '' ? (argv[++i] ?? '') : rest;
    if (letter === 'c') return null;
    if (before !== '') flags.push(`-${before}`);
    if (letter === 'm') {
      return { interpreter, flags, program: { kind: 'module', name: value }, args: argv.slice(i + 1) };
    }
    flags.push(`-${letter}`, value);
  }
  return null;
}

export type ServerKind = 'azmlinfsrv' | 'gunicorn' | 'other';

export function serverKind(command: PythonCommand): ServerKind {
  const { kind, name } = command.program;
  const program = kind === 'script' ? basename(name) : (name.split('.')[0] ?? '');
  if (program === 'azmlinfsrv' || program === 'azureml_inference_server_http') return 'azmlinfsrv';
  return program === 'gunicorn' ? 'gunicorn' : 'other';
}

/** gunicorn's options that take no value, in all versions from 19.9 to 27 (gunicorn/config.py, `store_true`). */
const GUNICORN_SWITCHES = new Set(
  (
    '-D -R -h -v --daemon --enable-stdio-inheritance --help --version --check-config --print-config --preload ' +
    '--reload --spew --no-sendfile --reuse-port --capture-output --log-syslog --initgroups --proxy-protocol ' +
    '--disable-redirect-access-to-syslog --suppress-ragged-eofs --do-handshake-on-connect --strip-header-spaces ' +
    '--permit-obsolete-folding --permit-unconventional-http-method --permit-unconventional-http-version ' +
    '--casefold-http-method --no-control-socket'
  ).split(' '),
);

export interface GunicornArguments {
  /** `module:attribute`; null when only a configuration file names it. */
  readonly app: string | null;
  readonly ports: readonly number[];
  readonly chdir: string | null;
  readonly preload: boolean;
}

export function parseGunicorn(args: readonly string[]): GunicornArguments {
  let app: string | null = null;
  let chdir: string | null = null;
  let preload = false;
  const ports: number[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? '';
    if (!word.startsWith('-')) {
      app ??= word;
      continue;
    }
    if (GUNICORN_SWITCHES.has(word)) {
      preload ||= word === '--preload';
      continue;
    }
    const short = /^-[A-Za-z](.+)$/.exec(word);
    const long = /^(--[^=]+)=(.*)$/s.exec(word);
    const name = long?.[1] ?? word.slice(0, word.startsWith('--') ? undefined : 2);
    const value = long?.[2] ?? (word.startsWith('--') ? undefined : short?.[1]) ?? args[++i] ?? '';
    if (name === '-b' || name === '--bind') ports.push(...portOf(value));
    else if (name === '--chdir') chdir = value;
  }
  return { app, ports, chdir, preload };
}

function portOf(address: string): number[] {
  const port = /^(?!unix:).*?:(\d+)$/.exec(address)?.[1];
  return port === undefined ? [] : [Number(port)];
}

/** Options of azmlinfsrv (args.py of azureml-inference-server-http 1.5.1); argparse also takes unique beginnings. */
const AZMLINFSRV_OPTIONS = [
  'entry_script',
  'model_dir',
  'appinsights_instrumentation_key',
  'port',
  'health_port',
  'worker_count',
  'access_control_allow_origins',
  'config_file',
] as const;

export type AzmlinfsrvArguments = { readonly [K in (typeof AZMLINFSRV_OPTIONS)[number]]?: string } & {
  readonly rest: boolean;
};

export function parseAzmlinfsrv(args: readonly string[]): AzmlinfsrvArguments {
  const values: { [K in (typeof AZMLINFSRV_OPTIONS)[number]]?: string } = {};
  let rest = false;
  for (let i = 0; i < args.length; i++) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(args[i] ?? '');
    if (match?.[1] === undefined) continue;
    const name = match[1];
    if (name === 'rest') {
      rest = true;
      continue;
    }
    const option = AZMLINFSRV_OPTIONS.find((known) => known.startsWith(name));
    const value = match[2] ?? args[++i];
    if (option !== undefined && value !== undefined) values[option] = value;
  }
  return { ...values, rest };
}
