/** The sample's image with Python servers of other kinds beside Azure's. */
import { readDownloads } from '../../console/images/downloads.ts';
import { ensurePackages } from '../../console/images/packages.ts';
import { openDocker } from '../../console/place/docker/docker.ts';
import { scoringImage } from './images.ts';

/** The last uvicorn with gunicorn's worker class in it. */
const PACKAGES = ['fastapi==0.115.12', 'uvicorn==0.34.3'];

/** The tag; made once for the same sample. Its containers run as root unless they are told otherwise. */
export async function serversImage(): Promise<string> {
  const base = await scoringImage('plain-user');
  const place = await openDocker({ env: process.env });
  try {
    const { images } = place;
    if (images === undefined) throw new Error(`${place.label} builds no images`);
    const downloads = await readDownloads(process.env);
    return await ensurePackages(
      place,
      images,
      { base, kind: 'pip', text: PACKAGES.join('\n'), downloads },
      () => undefined,
    );
  } finally {
    await place.close();
  }
}
