/** What a revived container says of itself: whose file system it has, and since when the two go different ways. */
const FROM = 'io.drydock.revived-from';
const AT = 'io.drydock.revived-at';
const IMAGE = 'io.drydock.revived-image';

export interface RevivedFrom {
  readonly container: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** The image as the old one's creator named it: that of the new one has no name. */
  readonly image: string;
}

/** On the image between the two as well, which has no name: one that no container uses any more is removed. */
export const REVIVED_LABEL = FROM;

export function revivedLabels({ container, at, image }: RevivedFrom): Record<string, string> {
  return { [FROM]: container, [AT]: new Date(at).toISOString(), [IMAGE]: image };
}

/** Null for a container that was not revived, an image made from one included. */
export function revivedOf(labels: Readonly<Record<string, string>>): RevivedFrom | null {
  const container = labels[FROM] ?? '';
  const at = Date.parse(labels[AT] ?? '');
  return container === '' || Number.isNaN(at) ? null : { container, at, image: labels[IMAGE] ?? '' };
}

/** The image that a container is known by: a revived one's is its predecessor's. */
export function imageName({ image, labels }: { image: string; labels: Readonly<Record<string, string>> }): string {
  return revivedOf(labels)?.image ?? image;
}
