/** The tasks of a scenario: each that was acknowledged has one end, the same for all who look. */
import { judgeHistory } from '../task-history.ts';
import type { Seen } from '../task-history.ts';
import { WORK, startTaskWorker, workerOf } from '../task-worker.ts';
import type { TaskResult } from '../../src/index.ts';
import type { Claims } from './claims.ts';
import type { Control } from './control.ts';
import type { Act } from './plan.ts';
import type { WorldNode } from './engines/world.ts';

const GIVE_MS = 20_000;
const LOOK_MS = 200;
/** How long tasks may take to end once nothing happens any more: longer than a lease, and a silence. */
const ENDED_WITHIN_MS = 90_000;

/** Nodes that run, by name. */
type Running = ReadonlyMap<string, { readonly node: WorldNode; readonly control: Control }>;

/** Gives tasks, has them done, and reads how they ended. */
export class TaskBook {
  /** Names of nodes with an agent, and how long a task takes it. */
  readonly #workers: ReadonlyMap<string, number>;
  readonly #seen: Seen[] = [];
  readonly #ids = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  #refused = 0;
  /** The longest that any took from its submission to its end, by the node that gave it, ms. */
  #longestMs = 0;

  constructor(workers: ReadonlyMap<string, number>) {
    this.#workers = workers;
  }

  /** Every node may give tasks to every worker, and go on with those of others. */
  async allow(running: Running): Promise<void> {
    for (const [worker, { control }] of running) {
      if (!this.#workers.has(worker)) continue;
      const others = [...running].filter(([name]) => name !== worker);
      for (const [, { node }] of others) {
        const agents = [workerOf(worker)];
        await control.builtin('grant_create', { peer: node.peerId, agents, expires_s: 3600 });
      }
    }
  }

  /** A node has started: its agent works, if it has one. */
  async serve(name: string, running: Running): Promise<void> {
    const takesMs = this.#workers.get(name);
    const control = running.get(name)?.control;
    if (takesMs === undefined || control === undefined) return;
    await startTaskWorker(control, {
      agent: workerOf(name),
      seen: this.#seen,
      serviceMs: () => takesMs,
      isOn: () => running.get(name)?.control === control,
    });
  }

  give({ id, durable }: Extract<Act, { act: 'task' }>, control: Control | undefined): void {
    if (control === undefined) return;
    const work = this.#give(id, durable, control).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Resolves when all have ended, or the time for that is over; then each node is asked of each. */
  async over(running: Running): Promise<void> {
    await Promise.all(this.#underWay);
    const open = new Set(this.#ids);
    const deadline = performance.now() + ENDED_WITHIN_MS;
    while (open.size > 0 && performance.now() < deadline) {
      for (const id of open) if (await this.#hasEnded(id, running)) open.delete(id);
      if (open.size > 0) await sleep(LOOK_MS);
    }
    for (const id of this.#ids) await this.#hasEnded(id, running, true);
  }

  /** Adds the claims that are always held, and the figures, where there were tasks. */
  judge(claims: Claims, figures: Record<string, number>): void {
    if (this.#workers.size === 0) return;
    const verdict = judgeHistory(this.#seen);
    figures['tasksGiven'] = verdict.acked;
    figures['tasksDone'] = verdict.done;
    figures['tasksDoneShare'] = verdict.done / Math.max(1, verdict.acked);
    figures['tasksLongestMs'] = this.#longestMs;
    figures['tasksAgain'] = verdict.again;
    figures['tasksRefused'] = this.#refused;
    for (const [claim, those] of [
      ['tasks lost', verdict.lost],
      ['tasks that ended twice', verdict.twice],
      ['results that no worker gave', verdict.unearned],
    ] as const) {
      const detail = those.length === 0 ? {} : { detail: those.slice(0, 3).join(', ') };
      claims.add({ claim, pass: those.length === 0, measured: those.length, limit: 0, ...detail });
    }
  }

  async #give(at: number, durable: boolean, control: Control): Promise<void> {
    const input = {
      capability: WORK,
      input: at,
      id: `task-${at}`,
      ...(durable ? { durable: 'mesh' } : {}),
    };
    const end = await control.call('starling__agent_task', input, GIVE_MS);
    if (end.kind !== 'answer') {
      this.#refused += 1;
      return;
    }
    const { taskId } = end.structured as TaskResult;
    this.#ids.add(taskId);
    this.#seen.push({ t: 'acked', id: taskId });
  }

  async #hasEnded(taskId: string, running: Running, all = false): Promise<boolean> {
    let isOver = false;
    for (const { control } of running.values()) {
      const end = await control.call('starling__task_result', { taskId }, GIVE_MS);
      const task = end.kind === 'answer' ? (end.structured as TaskResult) : undefined;
      if (task?.endedAt === undefined) continue;
      const { endedAt, result = null, status, submittedAt } = task;
      this.#longestMs = Math.max(this.#longestMs, Date.parse(endedAt) - Date.parse(submittedAt));
      this.#seen.push({ t: 'ended', id: taskId, status, result });
      isOver = true;
      if (!all) break;
    }
    return isOver;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
