/** A tar stream without some of its entries; what stays keeps owner, mode and times. */
import { pipeline } from 'node:stream/promises';
import { extract, pack } from 'tar-stream';

/** `keep` gets an entry's name as it stands in the tar, without a trailing slash. */
export async function* filterTar(
  tar: AsyncIterable<Uint8Array>,
  keep: (name: string) => boolean,
): AsyncGenerator<Uint8Array> {
  const from = extract();
  const to = pack();
  const copy = async () => {
    for await (const entry of from) {
      if (keep(entry.header.name.replace(/\/$/, ''))) await pipeline(entry, to.entry(entry.header));
      else entry.resume();
    }
    to.finalize();
  };
  const fail = (error: unknown) => to.destroy(error instanceof Error ? error : new Error(String(error)));
  copy().catch(fail);
  pipeline(tar, from).catch(fail);
  for await (const chunk of to) yield chunk as Uint8Array;
}
