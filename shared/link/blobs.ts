/** The bytes attached to a message while it is being written: each gets an index that the JSON refers to. */
import { MAX_ATTACHED } from '../core/protocol.ts';
import { violation } from './frames.ts';

/** Bytes that are attached to one message where they may come in another way as well: half a frame. */
export const INLINE_TOTAL = 16 * 1024 * 1024;

export class Blobs {
  readonly list: Uint8Array[] = [];
  #bytes = 0;

  hasRoomFor(size: number): boolean {
    return this.#bytes + size <= INLINE_TOTAL && this.list.length < MAX_ATTACHED;
  }

  /** The index of `data` among the attached bytes. */
  add(data: Uint8Array): number {
    this.#bytes += data.byteLength;
    return this.list.push(data) - 1;
  }
}

export function blobAt(attached: readonly Uint8Array[], index: number): Uint8Array {
  const data = attached[index];
  if (data === undefined) throw violation(`attached bytes number ${index}, which are not there`);
  return data;
}
