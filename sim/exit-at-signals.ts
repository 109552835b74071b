/** A signal that nobody here deals with ends a process without its `exit` handlers, which remove what a run has made. */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
let isDone = false;

/** From now on the process exits at these signals, unless something else deals with them. */
export function exitAtSignals(): void {
  if (isDone) return;
  isDone = true;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + number);
    });
  }
}
