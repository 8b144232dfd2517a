/** Works on all items, at most `limit` at a time, in order of their start. Rejects with the first error. */
export async function manyAtOnce<T>(
  limit: number,
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const workNext = async () => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: limit }, workNext));
}
