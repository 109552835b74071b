/** The calls of a scenario: each must have one answer, its own, or be told why not. */
import type { Control } from './control.ts';

/** How long a call may go without an answer before it counts as lost: longer than any deadline of a node. */
const LOST_AFTER_MS = 150_000;

/** Kinds of refusals that are told. */
const REASONS_MAX = 4;

/** How the calls ended. */
export interface CallTally {
  readonly sent: number;
  /** Had the answer that is theirs. */
  readonly answered: number;
  /** Were told that they failed. */
  readonly refused: number;
  /** Their client's own node is gone, which the client sees. */
  readonly gone: number;
  /** Had the answer of another call. */
  readonly wrong: number;
  /** Had no answer at all. */
  readonly silent: number;
  /** Answers too many. */
  readonly strays: number;
}

/** One call, for the plots. */
export interface CallPoint {
  readonly atMs: number;
  readonly ms: number;
  readonly ok: boolean;
}

/** Makes calls and counts their ends. */
export class CallBook {
  readonly points: CallPoint[] = [];
  /** Why calls were refused, and how often. */
  readonly reasons = new Map<string, number>();
  readonly #counts = { sent: 0, answered: 0, refused: 0, gone: 0, wrong: 0, silent: 0 };
  readonly #underWay = new Set<Promise<void>>();
  readonly #controls = new Set<Control>();

  /** Calls `tool` with a text that no other call has. */
  make(control: Control, tool: string, text: string, atMs: number): void {
    this.#counts.sent += 1;
    this.#controls.add(control);
    const call = this.#one(control, tool, text, atMs).finally(() => this.#underWay.delete(call));
    this.#underWay.add(call);
  }

  /** A call whose own node does not run: its client has nowhere to send it. */
  unsent(): void {
    this.#counts.sent += 1;
    this.#counts.gone += 1;
  }

  /** Resolves when all calls have ended. */
  async over(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** Why calls were refused, in words. */
  whys(): string {
    const kinds = [...this.reasons].slice(0, REASONS_MAX);
    return kinds.map(([why, count]) => `${count} × ${why}`).join('; ');
  }

  tally(): CallTally {
    const strays = [...this.#controls].reduce((sum, { strays: some }) => sum + some, 0);
    return { ...this.#counts, strays };
  }

  async #one(control: Control, tool: string, text: string, atMs: number): Promise<void> {
    const begin = performance.now();
    const end = await control.call(tool, { message: text }, LOST_AFTER_MS);
    const ok = end.kind === 'answer' && end.text === text;
    this.points.push({ atMs, ms: performance.now() - begin, ok });
    if (end.kind === 'answer') this.#counts[ok ? 'answered' : 'wrong'] += 1;
    else if (end.kind === 'error') {
      this.#counts.refused += 1;
      const reason = end.text.split('\n')[0]?.slice(0, 100) ?? '';
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    } else if (end.kind === 'gone') this.#counts.gone += 1;
    else this.#counts.silent += 1;
  }
}
