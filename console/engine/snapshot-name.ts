/** How the images of a container are called: NAME:1, NAME:2, … */

/**
 * The repository name that a container's images get: the last part of the name it was started from
 * (`myregistry.azurecr.io/team/debug:1` → `debug`), or the container's own where it was started from an ID.
 */
export function snapshotName(image: string, container: string): string {
  const name = /([^/:@]+)(?::[^/:@]+)?(?:@sha256:[0-9a-f]+)?$/.exec(image)?.[1] ?? '';
  const isId = /^sha256:/.test(image) || /^[0-9a-f]{12,64}$/.test(image);
  if (!isId && /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/.test(name)) return name;
  // A container's name may hold capitals and end in a separator; a repository's may not.
  return container
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** One above the highest number among `tags`; a number is never used twice, gaps stay. */
export function nextTag(tags: readonly string[], name: string): string {
  const numbers = tags.filter((tag) => tag.startsWith(`${name}:`)).map((tag) => tag.slice(name.length + 1));
  const highest = Math.max(0, ...numbers.filter((tag) => /^\d{1,15}$/.test(tag)).map(Number));
  return `${name}:${highest + 1}`;
}
