/** Ink's side of the loop: keys in, the screen out. */
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { useApp, useInput, usePaste, type SuspendTerminal } from 'ink';
import type { Loop } from '../app/loop.ts';
import type { State } from '../app/state.ts';
import { typedKeys } from './keys.ts';
import { pictureOf, samePicture, Screen, type Picture } from './screen.tsx';
import type { Theme } from './theme.ts';

export interface AppProps {
  readonly loop: Loop;
  readonly theme: Theme;
  /** Takes what was typed for a shell that is being opened. */
  readonly typedAhead: (text: string) => void;
  /** Takes what hands the terminal over; called once it works. */
  readonly onReady: (suspend: SuspendTerminal) => void;
}

export function App({ loop, theme, typedAhead, onReady }: AppProps) {
  const shown = useRef<{ readonly state: State; readonly picture: Picture } | null>(null);
  const picture = useSyncExternalStore(loop.subscribe, () => {
    // The same object for the same picture: a commit costs Ink a whole frame, changed or not.
    const state = loop.snapshot();
    const last = shown.current;
    if (last?.state === state) return last.picture;
    const next = pictureOf(state, theme);
    const same = last !== null && samePicture(last.picture, next);
    shown.current = { state, picture: same ? last.picture : next };
    return shown.current.picture;
  });
  const { suspendTerminal } = useApp();
  useEffect(() => onReady(suspendTerminal), [onReady, suspendTerminal]);
  useInput((input, key) => {
    for (const { name, text } of typedKeys(input, key)) {
      if (loop.state.shell === null) loop.dispatch({ type: 'key', key: name });
      else typedAhead(text); // it came in one piece with the key that opened the shell
    }
  });
  usePaste((text) => loop.dispatch({ type: 'paste', text }));
  return <Screen {...picture} />;
}
