/** What is said of models that were fetched. */
import type { EngineEvent } from '../engine/view.ts';
import { describeFetch } from '../text/models.ts';
import type { State } from './state.ts';
import { say, trouble } from './step.ts';

type Told = Extract<EngineEvent, { event: 'fetched' | 'unfetched' | 'refetching' }>;

export function onModels(state: State, event: Told): State {
  switch (event.event) {
    case 'unfetched':
      // Stopped by the user: no trouble.
      if (event.error.code === 'cancelled')
        return say(state, 'warn', `${event.error.message} ${event.error.hint ?? ''}`);
      return trouble(state, event.error);
    case 'refetching':
      return say(state, 'warn', describeFetch(event));
    case 'fetched':
      return say(state, 'good', describeFetch(event));
  }
}
