/** Names that may have been meant, nearest first: one contains the other, or few letters differ. */
export function nearNames(wanted: string, names: readonly string[], limit = 3): readonly string[] {
  const tolerance = Math.max(1, Math.floor(wanted.length / 3));
  return names
    .map((name) => ({
      name,
      distance: name.includes(wanted) || wanted.includes(name) ? 0 : editDistance(wanted, name),
    }))
    .filter(({ distance }) => distance <= tolerance)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, limit)
    .map(({ name }) => name);
}

/** Insertions, deletions and replacements from one to the other. */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, letter] of Array.from(from).entries()) {
    const next = [line + 1];
    for (const [column, other] of Array.from(to).entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
