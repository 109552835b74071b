/** Who reads along with calls, where their operator wants prompts and answers kept. */
import type { AuditOutcome } from '../audit/index.ts';
import type { KeptClearance } from './clearance.ts';
import type { ModelAnswer, ReadCall } from './types.ts';

/** Whose call it is, and of what. */
export interface RecordingInit {
  /** As stats name it: `gpu/qwen`, `@box/gpu/qwen`. */
  readonly model: string;
  readonly kept: Pick<KeptClearance, 'about' | 'of'>;
}

/** One call whose texts are kept. */
export interface Recording {
  /** What callers are told. */
  readonly headers: Readonly<Record<string, string>>;
  /** The same answer, read along. */
  of(answer: ModelAnswer): AsyncIterable<Uint8Array>;
  /** The call is over; once. */
  over(outcome: AuditOutcome, reason?: string): void;
}

/** Reads along with calls. */
export interface Recorder {
  /** A call is about to be sent. Undefined where nothing of its model is kept. */
  begin(init: RecordingInit, call: ReadCall): Recording | undefined;
}
