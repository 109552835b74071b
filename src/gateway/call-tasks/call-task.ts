/** One call that is a task, while the node runs: its row, and who waits for changes of it. */
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject, PeerId } from '../../core/index.ts';
import type { PeerView } from '../../membership/types.ts';
import type { ServerTarget } from '../channel-types.ts';
import { errorOf } from '../wire/frame.ts';
import { CALL_RESULT_BYTES_MAX, STATUS_MESSAGE_MAX, TASK_POLL_MS } from './limits.ts';
import type { CallTaskRow, CallTaskStatus, CarriedTask, OpenCall, OpenTask } from './types.ts';

/** Between two words of how far a call is, to whoever listens. */
const PROGRESS_MS = 1000;
const STATUSES: readonly string[] = [
  'working',
  'input_required',
  'completed',
  'failed',
  'cancelled',
] satisfies readonly CallTaskStatus[];

/** What tasks of calls are kept by. */
export interface CallTaskKeeper {
  now(): number;
  peerOf(peer: PeerId): PeerView | undefined;
  /** Writes the row as it is. Never throws. */
  keep(task: KeptCallTask): void;
  /** Writes the row and its end, and calls `kept` then, also where the disk takes nothing. Never throws. */
  keepEnd(task: KeptCallTask, row: CallTaskRow, end: string, kept: () => void): void;
  forget(task: KeptCallTask): void;
  /** What came of it, as it lies on the disk. */
  endOf(id: string): Promise<string | undefined>;
}

/** Whether nothing becomes of the task any more. */
export function isOver({ status }: Pick<CallTaskRow, 'status'>): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** See the file. */
export class KeptCallTask implements OpenTask {
  readonly #keeper: CallTaskKeeper;
  readonly #wakers = new Set<() => void>();
  #row: CallTaskRow;
  /** There while the call is under way. */
  #call: OpenCall | undefined;
  #asked: JsonObject | undefined;
  /** What came of the call, until the disk has it. */
  #end: string | undefined;
  #toldAt = 0;

  constructor(keeper: CallTaskKeeper, row: CallTaskRow, call?: OpenCall) {
    this.#keeper = keeper;
    this.#row = row;
    this.#call = call;
  }

  get row(): CallTaskRow {
    return this.#row;
  }

  get isOwn(): boolean {
    return this.#row.theirs === undefined;
  }

  /** The call, while it is under way. */
  get call(): OpenCall | undefined {
    return this.#call;
  }

  get created(): JsonObject {
    return { ...this.#head(), resultType: 'task' };
  }

  target(): ServerTarget {
    const { peer, server = '' } = this.#row;
    if (peer === undefined) return { server };
    const view = this.#keeper.peerOf(peer);
    if (view !== undefined) return { peer: view, server };
    throw new StarlingError(
      'STARLING_PEER_UNKNOWN',
      'the peer that has the task has left the mesh',
    );
  }

  async shown(): Promise<string> {
    const { id, status } = this.#row;
    const asked = status === 'input_required' ? { inputRequests: this.#asked ?? {} } : {};
    const head = JSON.stringify({ resultType: 'complete', ...this.#head(), ...asked });
    const key = status === 'completed' ? 'result' : status === 'failed' ? 'error' : undefined;
    if (key === undefined) return head;
    const end = this.#end ?? (await this.#keeper.endOf(id)) ?? LOST;
    return `${head.slice(0, -1)},"${key}":${end}}`;
  }

  answer(responses: JsonObject): void {
    if (this.#row.status !== 'input_required' || this.#call === undefined) return;
    this.#asked = undefined;
    this.#become({ status: 'working' });
    this.#call.answer(responses);
  }

  cancel(): void {
    this.#call?.cancel();
  }

  heard(task: JsonObject): void {
    const { status, statusMessage, pollIntervalMs, pollInterval } = task;
    if (isOver(this.#row) || typeof status !== 'string' || !STATUSES.includes(status)) return;
    const poll = pollIntervalMs ?? pollInterval;
    this.#become({
      status: status as CallTaskStatus,
      ...(typeof statusMessage === 'string' ? { statusMessage: shortened(statusMessage) } : {}),
      ...(typeof poll === 'number' && poll > 0 ? { pollMs: Math.round(poll) } : {}),
    });
    if (isOver(this.#row)) this.#keeper.keep(this);
  }

  watch(changed: () => void): () => void {
    this.#wakers.add(changed);
    return () => {
      this.#wakers.delete(changed);
    };
  }

  progressed(message: string): void {
    if (isOver(this.#row)) return;
    const now = this.#keeper.now();
    this.#row = { ...this.#row, statusMessage: shortened(message), updatedAt: now };
    // A server that tells without end is heard of no oftener than this.
    if (now - this.#toldAt >= PROGRESS_MS) this.#tell();
  }

  asks(inputRequests: JsonObject): void {
    if (this.#call === undefined) return;
    this.#asked = inputRequests;
    this.#become({ status: 'input_required' });
  }

  ended(end: { readonly result: string } | { readonly error: Json }): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    const [status, text] = bounded(end);
    this.#end = text;
    const bytes = Buffer.byteLength(text);
    const { statusMessage: _, ...rest } = this.#row;
    const row = { ...rest, status, bytes, updatedAt: this.#keeper.now() };
    // What is told of is on the disk.
    this.#keeper.keepEnd(this, row, text, () => {
      this.#row = row;
      this.#tell();
    });
  }

  /** The disk has what came of the call, so that memory need not. */
  written(): void {
    this.#end = undefined;
  }

  cancelled(): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    this.#become({ status: 'cancelled' });
    this.#keeper.keep(this);
  }

  forget(): void {
    this.#call = undefined;
    this.#keeper.forget(this);
  }

  carried({ era, target, task, theirs }: CarriedTask): void {
    if (this.#call === undefined) return;
    this.#call = undefined;
    const { peer, server } = target;
    const where = peer === undefined ? {} : { peer: peer.peerId };
    this.#row = { ...this.#row, theirs, server, era, ...where };
    this.#keeper.keep(this);
    this.heard(task);
  }

  #head(): JsonObject {
    const { id, createdAt, expiresAt, status, statusMessage, updatedAt } = this.#row;
    return {
      taskId: id,
      status,
      ...(statusMessage === undefined ? {} : { statusMessage }),
      createdAt: new Date(createdAt).toISOString(),
      lastUpdatedAt: new Date(updatedAt).toISOString(),
      ttlMs: expiresAt - createdAt,
      pollIntervalMs: TASK_POLL_MS,
    };
  }

  #become(changes: Pick<CallTaskRow, 'status'> & Partial<CallTaskRow>): void {
    this.#row = { ...this.#row, ...changes, updatedAt: this.#keeper.now() };
    this.#tell();
  }

  #tell(): void {
    this.#toldAt = this.#keeper.now();
    for (const wake of this.#wakers) wake();
  }
}

/** What is shown where the end was on a disk that has lost it. */
const LOST = JSON.stringify(
  errorOf(
    new StarlingError('STARLING_STATE_UNUSABLE', 'what came of the call is not there any more'),
  ),
);

/** An end that is too long to be kept is a failure that says so. */
function bounded(
  end: { readonly result: string } | { readonly error: Json },
): readonly [status: 'completed' | 'failed', text: string] {
  const text = 'result' in end ? end.result : JSON.stringify(end.error);
  const bytes = Buffer.byteLength(text);
  if (bytes <= CALL_RESULT_BYTES_MAX) return ['result' in end ? 'completed' : 'failed', text];
  const error = new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the result has ${bytes} bytes, and as a task it may have ${CALL_RESULT_BYTES_MAX}`,
    { hint: 'make the call without declaring tasks: then the result is handed on as it comes' },
  );
  return ['failed', JSON.stringify(errorOf(error))];
}

function shortened(text: string): string {
  return text.slice(0, STATUS_MESSAGE_MAX);
}
