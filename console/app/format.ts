/** Times, sizes and counts in words. Times are epoch milliseconds or milliseconds. */

/** `12:04:31`, local. */
export function clockTime(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** How long something took: `92 ms`, `3.1 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}

/** How long something has been going on: `0.3 s`, `12 s`, `2 min 5 s`. */
export function elapsed(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  return ms < 60_000 ? `${Math.floor(ms / 1000)} s` : duration(ms);
}

/** `just now`, `20 s ago`, `3 min ago`, `12:04:31`. */
export function ago(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ago` : clockTime(at);
}

/** `512 B`, `2.1 kB`, `34 MB`; powers of ten. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  let value = size;
  for (const unit of ['kB', 'MB', 'GB']) {
    value /= 1000;
    if (value < 1000 || unit === 'GB') return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return `${size} B`;
}

/** Of one side's version of a conflict. */
export function versionSize(size: number | 'folder' | null): string {
  if (size === null) return 'no file';
  return size === 'folder' ? 'a folder' : bytes(size);
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`;
}

/** A folder under the user's home starts with `~`. */
export function tilde(path: string, home: string): string {
  if (home === '' || home === '/') return path;
  return path === home ? '~' : path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** In every terminal font that was looked at, which Braille is not. */
const FRAMES = ['◐', '◓', '◑', '◒'];

/** The picture of a wait that began at `since`. */
export function spinner(since: number, now: number): string {
  return FRAMES[Math.floor(Math.max(0, now - since) / 200) % FRAMES.length] ?? '';
}
