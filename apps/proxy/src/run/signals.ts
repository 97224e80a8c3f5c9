/** What signals do. */
export interface SignalActions {
  /** SIGHUP */
  reload(): void;
  /** SIGUSR1 */
  reopenLogs(): void;
  /** First SIGTERM or SIGINT. */
  drain(signal: string): void;
  /** Second SIGTERM or SIGINT. */
  endNow(signal: string): void;
}

/**
 * Signals of the process, from before the first socket is opened: who sees a port open may send them. Returns what
 * gives them back to the defaults of Node.
 */
export function onSignals(actions: SignalActions): () => void {
  let ending = false;
  const end = (signal: string): void => {
    if (ending) return actions.endNow(signal);
    ending = true;
    actions.drain(signal);
  };
  const handlers: Partial<Record<NodeJS.Signals, () => void>> = {
    SIGHUP: () => actions.reload(),
    SIGUSR1: () => actions.reopenLogs(),
    SIGTERM: () => end('SIGTERM'),
    SIGINT: () => end('SIGINT'),
  };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  };
}
