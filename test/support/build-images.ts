/** Builds every image of the tests, so that none of them waits for it under a time limit. */
import { scoringImage, VARIANTS } from './images.ts';
import { serversImage } from './servers-image.ts';

for (const variant of VARIANTS) await scoringImage(variant);
await serversImage();
