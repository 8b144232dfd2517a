/** Files outside a root that nobody may read, change or join. */
import { lstatSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';

export const SECRET = 'a secret that lies outside the root';

export class Canary {
  readonly folder: string;
  readonly #base: string;
  readonly #before: readonly string[];

  /** `base` holds the root; `root` and what is staged beside it are left out. */
  constructor(base: string) {
    this.#base = base;
    this.folder = `${base}/secret`;
    mkdirSync(`${this.folder}/sub`, { recursive: true });
    for (const path of ['x', 'sub/y']) writeFileSync(`${this.folder}/${path}`, SECRET);
    // Older than the last change: so the next read is seen, also where the mount says relatime.
    for (const path of ['x', 'sub/y']) utimesSync(`${this.folder}/${path}`, 1, 1_000_000_000);
    this.#before = this.#look('');
  }

  /** What differs from the beginning. */
  differences(): readonly string[] {
    const now = this.#look('');
    const found = [
      ...now.filter((line) => !this.#before.includes(line)),
      ...this.#before.filter((line) => !now.includes(line)),
    ];
    const texts = ['x', 'sub/y'].map((path) => readFileSync(`${this.folder}/${path}`, 'utf8'));
    return texts.every((text) => text === SECRET) ? found : [...found, ...texts];
  }

  #look(at: string): string[] {
    return readdirSync(`${this.#base}/${at}`)
      .filter((name) => at !== '' || !['root', '.drydock-root'].includes(name))
      .flatMap((name) => {
        const path = at === '' ? name : `${at}/${name}`;
        const { ino, mode, uid, nlink, size, mtimeNs, ctimeNs, atimeNs, ...stat } = lstatSync(`${this.#base}/${path}`, {
          bigint: true,
        });
        const isDirectory = (Number(mode) & 0o170000) === 0o040000;
        const line = [path, ino, mode, uid, nlink, size, mtimeNs, ctimeNs, isDirectory ? '' : atimeNs, stat.dev].join(
          ' ',
        );
        return isDirectory ? [line, ...this.#look(path)] : [line];
      });
  }
}
