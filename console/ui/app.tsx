/** Ink's side of the loop: keys in, the screen out. */
import { useEffect, useSyncExternalStore } from 'react';
import { useApp, useInput, usePaste, type SuspendTerminal } from 'ink';
import type { Loop } from '../app/loop.ts';
import { typedKeys } from './keys.ts';
import { Screen } from './screen.tsx';
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
  const state = useSyncExternalStore(loop.subscribe, loop.snapshot);
  const { suspendTerminal } = useApp();
  useEffect(() => onReady(suspendTerminal), [onReady, suspendTerminal]);
  useInput((input, key) => {
    for (const { name, text } of typedKeys(input, key)) {
      if (loop.state.shell === null) loop.dispatch({ type: 'key', key: name });
      else typedAhead(text); // it came in one piece with the key that opened the shell
    }
  });
  usePaste((text) => loop.dispatch({ type: 'paste', text }));
  return <Screen state={state} theme={theme} />;
}
