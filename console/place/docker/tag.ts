import { DrydockError } from '../../../shared/core/errors.ts';
import type { Connection } from './connection.ts';

/** `debug:2` as the engine wants it: a port in a registry's name is no tag. */
export function splitTag(tag: string): { readonly repo: string; readonly tag: string } {
  const at = tag.lastIndexOf(':');
  return at > tag.lastIndexOf('/') ? { repo: tag.slice(0, at), tag: tag.slice(at + 1) } : { repo: tag, tag: 'latest' };
}

/** Rejects with `taken` where the tag names another image. */
export async function tagImage(connection: Connection, image: string, tag: string): Promise<void> {
  const there = await connection.findImage(tag);
  if (there !== null && there.Id !== image) {
    throw new DrydockError('taken', `The tag ${tag} names another image already.`, {
      hint: 'Choose another tag: an existing one is never moved.',
    });
  }
  await connection.ask(`tag an image as ${tag}`, (docker) => docker.getImage(image).tag(splitTag(tag)));
}
