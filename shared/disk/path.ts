/** Which paths may be acted on at all, whoever asks. */
import type { Path } from '../core/sync/tree.ts';

/** The staging folder where it lies inside the root: never part of the tree, whatever the ignore rules say. */
export const OWN_FOLDER = '.drydock';

/** Bytes that a name may have on every file system that matters here. */
const MAX_NAME = 255;
/** Folders in one another: each is asked about by its whole path. */
const MAX_DEPTH = 256;
const WINDOWS_RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Segments of a path below the root; null when it is absolute, climbs, is empty, or could not be a name on this system. */
export function segmentsOf(path: Path): readonly string[] | null {
  const segments = path.split('/');
  return segments.length <= MAX_DEPTH && segments.every(isName) ? segments : null;
}

function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name.includes('\0') || !name.isWellFormed()) return false;
  if (Buffer.byteLength(name) > MAX_NAME) return false;
  if (process.platform !== 'win32') return true;
  return !/[<>:"|?*\\]|[. ]$/.test(name) && !WINDOWS_RESERVED.test(name);
}

/**
 * True for a link target that cannot leave the root, whatever other links it passes: relative, `..` only in front and
 * no more of them than folders above the link. (`a/../b` is refused: where `a` is itself a link, it climbs from there.)
 */
export function staysInside(link: Path, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0') || /^[a-z]:|\\/i.test(target)) return false;
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const climbs = steps.findIndex((step) => step !== '..');
  const up = climbs === -1 ? steps.length : climbs;
  return up <= link.split('/').length - 1 && !steps.slice(up).includes('..');
}
