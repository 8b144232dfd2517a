/** Ink's side of the loop: keys in, the screen out. */
import { useEffect, useSyncExternalStore } from 'react';
import { useApp, useInput, usePaste, type SuspendTerminal } from 'ink';
import type { Loop } from '../app/loop.ts';
import { keyNames } from './keys.ts';
import { Screen } from './screen.tsx';
import type { Theme } from './theme.ts';

export interface AppProps {
  readonly loop: Loop;
  readonly theme: Theme;
  /** Takes what hands the terminal over; called once it works. */
  readonly onReady: (suspend: SuspendTerminal) => void;
}

export function App({ loop, theme, onReady }: AppProps) {
  const state = useSyncExternalStore(loop.subscribe, loop.snapshot);
  const { suspendTerminal } = useApp();
  useEffect(() => onReady(suspendTerminal), [onReady, suspendTerminal]);
  useInput((input, key) => {
    for (const name of keyNames(input, key)) loop.dispatch({ type: 'key', key: name });
  });
  usePaste((text) => loop.dispatch({ type: 'paste', text }));
  return <Screen state={state} theme={theme} />;
}
