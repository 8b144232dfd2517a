/** What /proc tells everybody about the container's processes, sockets and mounts (proc(5)). */
import { readFileSync, readdirSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly ppid: number;
  /** Clock ticks (1/100 s) since the machine booted: with the pid it names a process for good. */
  readonly startTicks: number;
  readonly argv: readonly string[];
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Ticks a second of every Linux ABI that Node runs on (USER_HZ). */
const USER_HZ = 100;

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // the process ended meanwhile, or /proc hides it
  }
}

/** Splits `/proc/PID/stat` behind the name, which may hold blanks and brackets of its own. */
export function parseStat(stat: string): { state: string; ppid: number; startTicks: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', ppid: Number(fields[1]), startTicks: Number(fields[19]) };
}

export function processOf(pid: number): Process | null {
  const stat = readProc(`/proc/${pid}/stat`);
  const cmdline = readProc(`/proc/${pid}/cmdline`);
  if (stat === null || cmdline === null) return null;
  const { state, ppid, startTicks } = parseStat(stat);
  if (state === 'Z' || state === 'X') return null;
  return { pid, ppid, startTicks, argv: cmdline.replace(/\0$/, '').split('\0') };
}

/** Every live process, zombies left out. Takes about 20 µs a process. */
export function processes(): Map<number, Process> {
  const found = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = processOf(Number(name));
    if (process !== null) found.set(process.pid, process);
  }
  return found;
}

export function isAlive(process: Process): boolean {
  return processOf(process.pid)?.startTicks === process.startTicks;
}

/** Effective uid and gid. */
export function ownerOf(pid: number): Owner | null {
  const status = readProc(`/proc/${pid}/status`);
  const id = (key: string): string | undefined => status?.match(new RegExp(`^${key}:\\s+\\d+\\s+(\\d+)`, 'm'))?.[1];
  const uid = id('Uid');
  const gid = id('Gid');
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

/** Epoch milliseconds at which a process started. */
export function startedAt(process: Process): number {
  const boot = readProc('/proc/stat')?.match(/^btime (\d+)$/m)?.[1];
  return Math.round(Number(boot ?? 0) * 1000 + (process.startTicks * 1000) / USER_HZ);
}

export function parseEnviron(text: string): Record<string, string> {
  const pairs = text.split('\0').flatMap((line): [string, string][] => {
    const at = line.indexOf('=');
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
  });
  return Object.fromEntries(pairs);
}

export interface Listener {
  /** Where a client inside the container reaches it. */
  readonly host: string;
  readonly port: number;
  /** Bound to the container's own loopback alone: no client outside it reaches it. */
  readonly loopback: boolean;
  readonly inode: string;
}

/** The listening sockets of `/proc/net/tcp` or `tcp6`; addresses are words in the machine's (little-endian) order. */
export function parseListeners(table: string): Listener[] {
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [address, port] = (fields[1] ?? '').split(':');
    const inode = fields[9];
    if (fields[3] !== '0A' || address === undefined || port === undefined || inode === undefined) return [];
    return [{ host: hostOf(address), port: parseInt(port, 16), loopback: isLoopback(address), inode }];
  });
}

function hostOf(address: string): string {
  if (/^0+$/.test(address)) return '127.0.0.1';
  if (address.length > 8) return address === '00000000000000000000000001000000' ? '::1' : '127.0.0.1';
  return (address.match(/../g) ?? [])
    .reverse()
    .map((byte) => parseInt(byte, 16))
    .join('.');
}

/** `::1`, or 127.0.0.0/8, which IPv6 has mapped as well. */
function isLoopback(address: string): boolean {
  return /^(0{24}01000000|(0{16}FFFF0000)?.{6}7F)$/.test(address);
}

/** Those that others reach before those of the loopback: one port may have both. The kernel walks through all its sockets for it, which was seen to take 9 ms a table: to be asked for only when it is needed. */
export function listeners(): Listener[] {
  const all = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => parseListeners(readProc(path) ?? ''));
  return all.sort((a, b) => Number(a.loopback) - Number(b.loopback));
}

export interface Mount {
  readonly point: string;
  /** The path in its own file system: of a bind mount what the engine was told, unless it lies on a mount there. */
  readonly source: string;
}

/** `/proc/self/mountinfo`, in order; the kernel writes blanks and backslashes in octal. */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, , , source, point] = line.split(' ').map(unescaped);
    return source === undefined || point === undefined ? [] : [{ point, source }];
  });
}

const unescaped = (word: string): string =>
  word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));

export function mounts(): Mount[] {
  return parseMountinfo(readProc('/proc/self/mountinfo') ?? '');
}

export function mountPoints(): string[] {
  return mounts().map(({ point }) => point);
}

/** Name of a uid by /etc/passwd; `os.userInfo()` throws where there is no entry. */
export function userName(uid: number): string {
  const line = (readProc('/etc/passwd') ?? '').split('\n').find((entry) => entry.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? String(uid);
}
