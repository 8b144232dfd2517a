/**
 * Others that keep two folders equal, where they are installed, each as good as it can be set: lsyncd, Unison, Syncthing.
 * They work between two folders of this machine, which is less than the way into a container.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { openSyncthing } from '../../test/blackbox/syncthing.ts';
import { openUnison } from '../../test/blackbox/unison.ts';
import { someContent } from './scene.ts';
import { untilVisible } from './visible.ts';

export interface Rival {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** What its user does after the save. */
  readonly act?: (path: string) => Promise<unknown>;
}

/** `fill` puts the files into a folder; `last` is the path of one of them. They end with the stack. */
export async function watchingRivals(
  stack: AsyncDisposableStack,
  fill: (dir: string) => unknown,
  last: string,
): Promise<Rival[]> {
  const arena = async (name: string, { folders }: { folders: { host: string; container: string } }) => {
    await fill(folders.host);
    return untilEqual({ name, from: folders.host, to: folders.container }, last);
  };
  return [
    ...(await installed(['lsyncd', '--version'], () => lsyncd(stack, fill, last))),
    ...(await installed(['unison', '-version'], async () => arena('Unison, two ways', stack.use(await openUnison())))),
    ...(await installed(['syncthing', '--version'], async () =>
      arena('Syncthing, two ways', stack.use(await openSyncthing())),
    )),
  ];
}

/** By a command that only the wanted program knows. */
export async function installed(
  [program = '', ...args]: readonly string[],
  open: () => Promise<Rival>,
): Promise<Rival[]> {
  const { failed } = await execa(program, args, { reject: false });
  return failed ? [] : [await open()];
}

async function lsyncd(stack: AsyncDisposableStack, fill: (dir: string) => unknown, last: string): Promise<Rival> {
  const base = mkdtempSync(join(tmpdir(), 'drydock-lsyncd-'));
  stack.defer(() => rmSync(base, { recursive: true, force: true }));
  const [from, to] = [join(base, 'from'), join(base, 'to')];
  for (const folder of [from, to]) mkdirSync(folder);
  await fill(from);
  const child = execa('lsyncd', ['-nodaemon', '-delay', '0', '-rsync', from, to], { stdio: 'ignore', reject: false });
  stack.defer(async () => {
    child.kill('SIGTERM');
    await child;
  });
  return untilEqual({ name: 'lsyncd with rsync, one way', from, to }, last);
}

/** A file that is new has arrived, and an edit of one that was there: what was written before is there, too. */
export async function untilEqual(rival: Rival, last: string): Promise<Rival> {
  for (const path of ['zz-last', last]) {
    const content = someContent();
    await untilVisible(join(rival.to, path), content, () => writeFile(join(rival.from, path), content));
  }
  return rival;
}
