/** Files that are not there for whoever looks at the app's folder: ours, for the moment that they must lie in it. */

const hidden = new Set<string>();

/** Takes an absolute path; returns the way to end it. */
export function hide(path: string): () => void {
  hidden.add(path);
  return () => hidden.delete(path);
}

export const isHidden = (path: string): boolean => hidden.has(path);
