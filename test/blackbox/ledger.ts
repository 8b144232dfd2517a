/** The ledger of a black box run: every token that was written is somewhere, or its own owner took it away. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Side } from '../../shared/core/sync/tree.ts';

/** What a program did. */
export interface Account {
  readonly written: readonly string[];
  /** Overwritten or deleted by its own hand. */
  readonly gone: readonly string[];
  readonly done: number;
  /** Operations that could not be done, by error code: a folder stood there, nothing did. */
  readonly failed: Readonly<Record<string, number>>;
}

export interface Verdict {
  /** What is wrong, in words. */
  readonly differences: readonly string[];
  readonly lost: readonly string[];
  /**
   * Tokens that nobody took away and that only the journal has: a program that renames over a path, or deletes it, does
   * not know what has arrived there in that very moment.
   */
  readonly onlyKept: readonly string[];
  /** Tokens at two paths or more, conflict copies apart. */
  readonly duplicated: readonly string[];
  readonly written: number;
  readonly copies: number;
}

const TOKEN = /<[hc]\d{6}>/g;

/** The token of a side's operation; all are of one length. */
export function tokenOf(side: Side, index: number): string {
  return `<${side.slice(0, 1)}${String(index).padStart(6, '0')}>`;
}

export function whose(token: string): { readonly side: Side; readonly index: number } {
  return { side: token[1] === 'h' ? 'host' : 'container', index: Number(token.slice(2, -1)) };
}

export function tokensIn(content: Buffer): string[] {
  return content.toString('latin1').match(TOKEN) ?? [];
}

/** Drydock's conflict copies, and Syncthing's. */
export function isCopy(path: string): boolean {
  return !path.startsWith('.stversions/') && /\.(conflict-container|sync-conflict)-/.test(basename(path));
}

export function judge(
  accounts: readonly Account[],
  folders: Readonly<Record<Side, string>>,
  kept: readonly string[],
  ignored: (path: string) => boolean = () => false,
): Verdict {
  const written = new Set(accounts.flatMap((account) => account.written));
  const gone = new Set(accounts.flatMap((account) => account.gone));
  const sides = [read(folders.host, ignored), read(folders.container, ignored)] as const;
  const paths = new Map<string, Set<string>>();
  for (const { tokens } of sides) {
    for (const [path, list] of tokens) {
      if (!isCopy(path)) for (const token of list) paths.set(token, (paths.get(token) ?? new Set()).add(path));
    }
  }
  const there = new Set(sides.flatMap(({ tokens }) => [...tokens.values()].flat()));
  const inJournal = new Set(kept.flatMap((folder) => [...read(folder, () => false).tokens.values()].flat()));
  const owed = [...written].filter((token) => !gone.has(token) && !there.has(token));
  return {
    differences: compare(sides[0].entries, sides[1].entries),
    lost: owed.filter((token) => !inJournal.has(token)),
    onlyKept: owed.filter((token) => inJournal.has(token)),
    duplicated: [...paths].flatMap(([token, at]) => (at.size > 1 ? [token] : [])),
    written: written.size,
    copies: [...sides[0].entries.keys()].filter(isCopy).length,
  };
}

interface Contents {
  /** What stands at each path, in a word. */
  readonly entries: ReadonlyMap<string, string>;
  readonly tokens: ReadonlyMap<string, readonly string[]>;
}

function read(folder: string, ignored: (path: string) => boolean): Contents {
  const entries = new Map<string, string>();
  const tokens = new Map<string, readonly string[]>();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (ignored(path)) continue;
    const at = join(folder, path);
    const stat = lstatSync(at);
    if (stat.isSymbolicLink()) entries.set(path, `link to ${readlinkSync(at)}`);
    else if (stat.isFile()) {
      const content = readFileSync(at);
      const digest = createHash('sha256').update(content).digest('hex').slice(0, 8);
      const found = tokensIn(content);
      tokens.set(path, found);
      entries.set(path, `file ${digest}${(stat.mode & 0o100) === 0 ? '' : ' executable'} ${found.join('')}`);
    } else entries.set(path, stat.isDirectory() ? 'folder' : 'neither file nor folder');
  }
  return { entries, tokens };
}

function compare(host: ReadonlyMap<string, string>, container: ReadonlyMap<string, string>): string[] {
  const paths = [...new Set([...host.keys(), ...container.keys()])].sort();
  return paths
    .filter((path) => host.get(path) !== container.get(path))
    .map((path) => `${JSON.stringify(path)}: host ${host.get(path) ?? '-'}, container ${container.get(path) ?? '-'}`);
}
