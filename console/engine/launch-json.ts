/** `.vscode/launch.json`: made, or completed with one entry; comments and everything else in it stay as they are. */
import { mkdir, readdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import {
  applyEdits,
  findNodeAtLocation,
  modify,
  parseTree,
  type JSONPath,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import { DrydockError } from '../../shared/core/errors.ts';

export interface LaunchWish {
  /** The container's. */
  readonly name: string;
  /** On this machine's loopback. */
  readonly port: number;
  /** `connect`: the editor dials; `listen`: the worker does. */
  readonly way: 'connect' | 'listen';
  /** The folder on this machine and its like in the container. */
  readonly dir: string;
  readonly root: string;
}

export interface Launch {
  readonly file: string;
  /** Of the entry, as the editor lists it. */
  readonly name: string;
  readonly result: 'created' | 'merged' | 'same';
}

/** Throws where the file cannot be written, or is no JSON: it is left alone then. */
export async function writeLaunch(wish: LaunchWish): Promise<Launch> {
  const dir = await realpath(wish.dir);
  const folder = await editorFolder(dir);
  const file = await realpath(join(folder, '.vscode', 'launch.json')).catch(() =>
    join(folder, '.vscode', 'launch.json'),
  );
  const entry = entryFor({ ...wish, dir }, folder);
  const before = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw unwritable(file, entry, error);
  });
  const after = before === null ? fresh(entry) : merged(before, entry, file);
  const { name } = entry;
  if (after === before) return { file, name, result: 'same' };
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.drydock`, after);
    await rename(`${file}.drydock`, file);
  } catch (error) {
    throw unwritable(file, entry, error);
  }
  return { file, name, result: before === null ? 'created' : 'merged' };
}

/** The nearest folder above that an editor would open: it has `.vscode`, a workspace file or `.git`. Else the folder itself. */
async function editorFolder(start: string): Promise<string> {
  const home = await realpath(homedir()).catch(() => homedir());
  for (let folder = start; ; folder = dirname(folder)) {
    // A home folder has a `.vscode` of its own, where extensions lie.
    if (folder === home || folder === dirname(folder)) return start;
    const names = await readdir(folder).catch(() => []);
    if (names.some((name) => name === '.vscode' || name === '.git' || name.endsWith('.code-workspace'))) return folder;
  }
}

type Entry = ReturnType<typeof entryFor>;

function entryFor({ name, port, way, dir, root }: LaunchWish, folder: string) {
  const below = relative(folder, dir).split(sep).join('/');
  return {
    name: `Drydock: ${name}`,
    type: 'debugpy',
    request: 'attach',
    [way]: { host: '127.0.0.1', port },
    pathMappings: [
      { localRoot: below === '' ? '${workspaceFolder}' : `\${workspaceFolder}/${below}`, remoteRoot: root },
    ],
    redirectOutput: true,
    // The worker that is debugged ends with each reload; the next one listens at the same port.
    restart: true,
  };
}

const fresh = (entry: Entry): string => `${JSON.stringify({ version: '0.2.0', configurations: [entry] }, null, 4)}\n`;

function merged(text: string, entry: Entry, file: string): string {
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const list = tree && findNodeAtLocation(tree, ['configurations']);
  if (errors.length > 0 || tree?.type !== 'object' || (list !== undefined && list.type !== 'array')) {
    throw new DrydockError('io', `${file} is no launch.json that can be completed, and was left as it is.`, {
      hint: `Mend it, or add this entry to its configurations: ${JSON.stringify(entry)}`,
    });
  }
  const at = list?.children?.findIndex((child) => nameOf(child) === entry.name) ?? -1;
  if (list === undefined) return set(text, ['configurations', 0], entry);
  if (at < 0) return appended(text, list, entry);
  const other = 'connect' in entry ? 'listen' : 'connect';
  const wanted: Readonly<Record<string, unknown>> = { ...entry, [other]: undefined };
  return Object.entries(wanted).reduce((now, [key, value]) => {
    const node = findNodeAtLocation(list, [at, key]);
    const is = node === undefined ? undefined : JSON.stringify(valueOf(node));
    return is === JSON.stringify(value) ? now : set(now, ['configurations', at, key], value);
  }, text);
}

/** Behind the last entry and the comment on its line. Not by `modify`: it formats that line anew and takes its comment. */
function appended(text: string, list: Node, entry: Entry): string {
  const last = list.children?.at(-1);
  const end = last === undefined ? list.offset + 1 : last.offset + last.length;
  const behind = /^(\s*,)?[^\S\n]*(\/\/[^\n]*)?/.exec(text.slice(end))?.[0] ?? '';
  const { insertSpaces, tabSize } = layoutOf(text);
  const step = insertSpaces ? ' '.repeat(tabSize) : '\t';
  const lines = JSON.stringify(entry, null, step).replaceAll(/^/gm, step.repeat(2));
  const comma = last === undefined || /^\s*,/.test(behind) ? '' : ',';
  const rest = text.slice(end + behind.length);
  const close = /^[^\S\n]*\]/.test(rest) ? `\n${step}` : '';
  return `${text.slice(0, end)}${comma}${behind}\n${lines}${close}${rest}`;
}

const set = (text: string, path: JSONPath, value: unknown): string =>
  applyEdits(text, modify(text, path, value, { formattingOptions: layoutOf(text) }));

const layoutOf = (text: string) => ({
  insertSpaces: !/^\t/m.test(text),
  tabSize: /^( +)\S/m.exec(text)?.[1]?.length ?? 4,
  eol: '\n',
});

const nameOf = (node: Node): unknown => findNodeAtLocation(node, ['name'])?.value;

function valueOf(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(valueOf);
  if (node.type !== 'object') return node.value;
  return Object.fromEntries(
    (node.children ?? []).map(({ children: [key, value] = [] }) => [key?.value, value && valueOf(value)]),
  );
}

function unwritable(file: string, entry: Entry, cause: unknown): DrydockError {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new DrydockError('io', `${file} cannot be written: ${words}.`, {
    hint: `Make it writable, or add this entry to its configurations elsewhere: ${JSON.stringify(entry)}`,
    cause,
  });
}
