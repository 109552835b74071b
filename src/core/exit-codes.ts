/** Exit codes of the `starling` command: all that there are. README.md says of each when it comes. */
export const EXIT = {
  /** What was asked is done, or help was shown. */
  done: 0,
  /** Something failed or was refused, or a check found something wrong. */
  failed: 1,
  /** The command line or the configuration can't be used. */
  misused: 2,
  /** The terminal of a node was closed: 128 + SIGHUP, as shells have it. */
  hungUp: 129,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;

/** One of {@link EXIT}: commands and errors have this type, so that none ends with another number. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
