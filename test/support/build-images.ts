/** Builds every image of the tests, so that none of them waits for it under a time limit. */
import { scoringImage, VARIANTS } from './images.ts';

for (const variant of VARIANTS) await scoringImage(variant);
