/** What the benchmark and its loader process tell each other. */

/** A way in: where a session's calls go. */
export type Target =
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** Newline-delimited JSON-RPC on a Unix socket. */
  | { readonly kind: 'socket'; readonly path: string }
  /** Requests by NATS, and their replies. */
  | { readonly kind: 'nats'; readonly port: number }
  /** Lines on one libp2p stream. */
  | { readonly kind: 'libp2p'; readonly address: string }
  /** The same on the standard streams of a process that the loader starts. */
  | { readonly kind: 'command'; readonly command: string; readonly args: readonly string[] };

/** Opens a session and waits until it lists `tool`. */
export interface OpenJob {
  readonly op: 'open';
  readonly session: string;
  readonly target: Target;
  readonly tool: string;
}

/** Calls one tool over and over, `callers` at a time. */
export interface RunJob {
  readonly op: 'run';
  readonly session: string;
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What an answer must contain, and its least size. */
  readonly expect: { readonly text: string; readonly sizeBytes: number };
  readonly callers: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Processes whose CPU is the relay's, besides the one of a `command`. */
  readonly pids: readonly number[];
}

/** What the loader is asked. */
export type Job = OpenJob | RunJob;

/** What one run measured, the warm-up left out. */
export interface Sample {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU of all relaying processes together; undefined where there is no /proc. */
  readonly cpuUsPerCall: number | undefined;
}

/** What the loader answers; `open` gives no sample. */
export type JobAnswer = { readonly sample: Sample | undefined } | { readonly error: string };
