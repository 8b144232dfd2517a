/** Who wrote what: every write is a token of its own, owed until an owner himself takes an instance of it away. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../../console/engine/sync/journal.ts';
import type { Side } from '../../shared/core/sync/tree.ts';
import type { Answer } from './hand.ts';

type Found = NonNullable<Answer['found']>;

interface Token {
  readonly token: string;
  readonly path: string;
  readonly side: Side;
}

export class Ledger {
  #serial = 0;
  readonly #all = new Map<string, Token>();
  readonly #written = new Set<string>();
  /** An answer of one hand may overtake the other's, so that this may be known first. */
  readonly #gone = new Set<string>();

  token(side: Side, path: string, times: number): { readonly token: string; readonly digest: string } {
    const token = `${side} ${++this.#serial}`;
    const digest = createHash('sha256').update(`${token}\n`.repeat(times)).digest('hex');
    this.#all.set(digest, { token, path, side });
    return { token, digest };
  }

  /** What stands there before anybody writes. */
  found(found: Found): void {
    for (const [path, digest] of Object.entries(found))
      this.#all.set(digest, { token: 'furniture', path, side: 'host' });
  }

  wrote(digest: string): void {
    this.#written.add(digest);
  }

  took(digests: readonly string[]): void {
    for (const digest of digests) this.#gone.add(digest);
  }

  get writes(): number {
    return this.#written.size;
  }

  /** What is lost, and what nobody ever wrote, in words. */
  async wrongs(sides: Readonly<Record<Side, Found>>, stateDir: string): Promise<string[]> {
    const kept = new Set([
      ...Object.values(sides.host),
      ...Object.values(sides.container),
      ...(await journaled(stateDir)),
    ]);
    const lost = [...this.#written]
      .filter((digest) => !this.#gone.has(digest) && !kept.has(digest))
      .map((digest) => `lost: ${this.#words(digest)}`);
    const torn = (['host', 'container'] as const).flatMap((side) =>
      Object.entries(sides[side])
        .filter(([, digest]) => digest !== 'folder' && digest !== EMPTY && !this.#all.has(digest))
        .map(([path]) => `torn: ${path} on ${side} holds what nobody wrote`),
    );
    return [...lost, ...torn];
  }

  #words(digest: string): string {
    const { token, path, side } = this.#all.get(digest) ?? { token: digest, path: '?', side: '?' };
    return `${token}, written at ${path} on ${side}`;
  }
}

/** A file that its user has emptied and not filled yet. */
const EMPTY = createHash('sha256').digest('hex');

/** Digests of the versions that the journal can bring back, each proven by its bytes. */
async function journaled(stateDir: string): Promise<string[]> {
  const sync = join(stateDir, 'drydock', 'sync');
  const journals = existsSync(sync) ? readdirSync(sync).map((name) => join(sync, name, 'journal')) : [];
  const entries = await Promise.all(
    journals.map(async (folder) => ({ folder, entries: await Journal.entries(folder) })),
  );
  return entries.flatMap(({ folder, entries: known }) =>
    [...new Set((known ?? []).flatMap(({ blob }) => blob ?? []))].filter((blob) => {
      const file = join(folder, 'blobs', blob);
      return existsSync(file) && createHash('sha256').update(readFileSync(file)).digest('hex') === blob;
    }),
  );
}
