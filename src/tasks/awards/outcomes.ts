/** What outcomes of attempts are for their tasks: the one result that counts, another attempt, the end, or nothing any more. */
import { backoffMs, messageOf, sleep, unawaited } from '../../core/index.ts';
import type { Clock, Json, Logger, Random, Scope } from '../../core/index.ts';
import type { Taint } from '../../guard/index.ts';
import { isPast } from '../life/task-errors.ts';
import type { LiveTask } from '../life/live-task.ts';
import { hasEnded } from '../life/machine.ts';
import { DURABLE_RESULT_BYTES_MAX, RESULT_BYTES_MAX, WORDS_MAX } from '../limits.ts';
import type { TaskRows } from '../rows.ts';
import type { Final } from './roads.ts';

const RETRY = { baseMs: 100, capMs: 30_000 };
const DISK_RETRY = { baseMs: 500, capMs: 30_000 };

/** Where tasks are kept, and who hears what is to be done with them next. */
export interface OutcomesComponents {
  readonly rows: TaskRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The task has ended, and what counts is on the disk. */
  ended(this: void, task: LiveTask): void;
  /** All that is under way; another one after each start. */
  life(this: void): Scope;
  /** The task waits for an agent again. */
  again(this: void, task: LiveTask): void;
  /** The task does not wait any more. */
  counted(this: void, task: LiveTask): void;
}

/** See the file. */
export class Outcomes {
  readonly #components: OutcomesComponents;

  constructor(components: OutcomesComponents) {
    this.#components = components;
  }

  /** What the outcome of an attempt is for the task. Never rejects. */
  async settle(task: LiveTask, final: Final, token: number): Promise<void> {
    const { clock } = this.#components;
    if (final.state === 'done') return this.count(task, final, token);
    const { answered, message, reason, taint } = final;
    const fault = { reason, message: message.slice(0, WORDS_MAX) };
    const event = { type: 'failed', token, at: clock.now(), fault, answered, taint } as const;
    const next = task.peek(event);
    if (next === undefined) return;
    const { rows } = this.#components;
    // An end is told when it is written: another owner may do the task meanwhile.
    if (hasEnded(next) && !(await this.kept(() => rows.put(next)))) return;
    const fits = task.apply(event);
    if (!fits || !hasEnded(next) || task.row.version !== next.version) {
      await this.kept(() => rows.put(task.row));
    }
    if (!fits) return;
    if (task.row.state === 'bidding') this.#again(task, answered);
    else if (task.row.state === 'failed') this.#components.ended(task);
  }

  /** At once after the first worker that was lost; else after a pause that grows. */
  #again(task: LiveTask, answered: boolean): void {
    const { random } = this.#components;
    const { attempts, roundFrom } = task.row;
    const bad = attempts.filter(({ token, outcome }) => token > roundFrom && outcome !== undefined);
    if (!answered && bad.length <= 1) return this.#components.again(task);
    task.waitsFor = 'a pause before the next attempt';
    const pauseMs = backoffMs(Math.max(0, bad.length - 1), RETRY, random);
    task.stopWork = this.#components.life().after(pauseMs, () => {
      task.stopWork = undefined;
      if (task.row.state === 'bidding') this.#components.again(task);
    });
  }

  /** One result counts: on the disk before anybody is told. */
  async count(
    task: LiveTask,
    { ballot, result, taint }: Extract<Final, { state: 'done' }>,
    token: number,
  ): Promise<void> {
    const { clock, rows } = this.#components;
    if (!task.apply({ type: 'reported', token }))
      return this.#keepLate(task, token, { result }, taint);
    this.#components.counted(task);
    const bytes = Buffer.byteLength(JSON.stringify(result));
    const bytesMax = task.order.durable === undefined ? RESULT_BYTES_MAX : DURABLE_RESULT_BYTES_MAX;
    if (bytes > bytesMax) {
      const message = `the result has ${bytes} bytes, and may have ${bytesMax}`;
      const final = { state: 'failed', reason: 'size', message, answered: true } as const;
      return this.settle(task, final, token);
    }
    task.apply({ type: 'verified', token });
    for (;;) {
      const before = task.row;
      const row = task.peek({ type: 'counted', token, at: clock.now(), ballot, taint });
      if (row === undefined) return;
      const counted = { ...row, resultBytes: bytes };
      if (!(await this.kept(() => rows.putResult(counted, result)))) return;
      // A late result came meanwhile, and was written after this: the end is to be the last of all.
      if (task.row !== before && task.row.state === 'verified') continue;
      task.become(counted);
      return this.#components.ended(task);
    }
  }

  #keepLate(
    task: LiveTask,
    token: number,
    said: { result?: Json; error?: string },
    taint: Taint | undefined,
  ): void {
    const known = task.row.late?.some((late) => late.token === token) === true;
    const attempt = task.row.attempts.find((one) => one.token === token);
    if (known || attempt === undefined || attempt.outcome === 'done') return;
    const text = JSON.stringify(said.result ?? null);
    const small = text.length <= WORDS_MAX ? said : { bytes: Buffer.byteLength(text) };
    const { clock, logger, rows } = this.#components;
    const at = clock.now();
    const late = { token, agent: attempt.agent, at, ...small };
    if (!task.apply({ type: 'late', late, taint })) return;
    const kept = this.kept(() => rows.put(task.row));
    unawaited(kept, logger, 'a late result was not written', { task: task.order.id, token });
  }

  /** Writes until the disk takes it; false when the node ends before, or the task is over otherwise. */
  async kept(write: () => Promise<void>): Promise<boolean> {
    for (let failures = 0; !this.#components.life().closed; failures += 1) {
      try {
        await write();
        return true;
      } catch (error) {
        // Another node has it, or its end is another one: that is heard of by its register.
        if (isPast(error)) return false;
        this.#components.logger.warn({ error: messageOf(error) }, 'a task could not be written');
        const pauseMs = backoffMs(failures, DISK_RETRY, this.#components.random);
        await sleep(this.#components.life(), pauseMs);
      }
    }
    return false;
  }
}
