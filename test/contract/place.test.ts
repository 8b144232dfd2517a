import { engine, withContainer, type TestEngine } from '../support/engine.ts';
import { placeContract, type PlaceUnderTest } from './place.ts';

placeContract('docker', async (): Promise<PlaceUnderTest> => {
  const real: TestEngine = await engine();
  const container = (id: string) => real.docker.getContainer(id);
  return {
    place: real.place,
    start: (options) => withContainer(real, { part: 'place', ...options }),
    pause: (id) => container(id).pause(),
    resume: (id) => container(id).unpause(),
    stop: (id) => container(id).stop({ t: 0 }),
    startAgain: (id) => container(id).start(),
    remove: (id) => container(id).remove({ force: true, v: true }),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
});
