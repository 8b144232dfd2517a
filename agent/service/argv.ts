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

/** What a program is called, however it was started: `uvicorn` of `/venv/bin/uvicorn` and of `-m uvicorn`. */
export function programName({ program: { kind, name } }: PythonCommand): string {
  return kind === 'script' ? basename(name) : (name.split('.')[0] ?? '');
}

/** The value of `--name value` or `--name=value`; the last one counts. */
export function optionValue(args: readonly string[], ...names: readonly string[]): string | null {
  let found: string | null = null;
  args.forEach((word, at) => {
    const [name = '', ...rest] = word.split('=');
    if (!names.includes(name)) return;
    found = rest.length > 0 ? rest.join('=') : (args[at + 1] ?? found);
  });
  return found;
}

export type ServerKind = 'azmlinfsrv' | 'gunicorn' | 'other';

export function serverKind(command: PythonCommand): ServerKind {
  const program = programName(command);
  if (program === 'azmlinfsrv' || program === 'azureml_inference_server_http') return 'azmlinfsrv';
  return program === 'gunicorn' ? 'gunicorn' : 'other';
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
