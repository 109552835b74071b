/**
 * What the nodes of a swarm tell each other by its board about tasks: how those went that a node gave, and which ones it
 * has under way.
 */
import type { Did, Json } from '../core/index.ts';
import type { Board } from '../blackboard/index.ts';
import { logKey, planKey, readPlans } from './board-rows.ts';
import { LOG_MAX } from './limits.ts';
import type { LogLine, PlanOfNode, PlanRow } from './types.ts';

/** Plans of one node that its board keeps. */
const PLANS_KEPT = 16;

/** The notes of one node, and its sight of those of others. All reject as boards do. */
export class TaskNotes {
  readonly #did: Did;
  readonly #boardOf: (swarmId: string) => Promise<Board>;
  /** What is written to a log, one line after the other. */
  #written: Promise<void> = Promise.resolve();

  /** `did` is the node's own; `boardOf` rejects for a swarm that the node does not know. */
  constructor(did: Did, boardOf: (swarmId: string) => Promise<Board>) {
    this.#did = did;
    this.#boardOf = boardOf;
  }

  /** How the tasks of a swarm went that this node gave, the oldest first. */
  async log(swarmId: string): Promise<readonly LogLine[]> {
    const board = await this.#boardOf(swarmId);
    const entry = board.get(logKey(this.#did));
    return Array.isArray(entry?.value) ? entry.value : [];
  }

  /** Tells the other nodes how a task went. */
  record(swarmId: string, line: LogLine): Promise<void> {
    const write = async (): Promise<void> => {
      const board = await this.#boardOf(swarmId);
      const lines = [...(await this.log(swarmId)), line].slice(-LOG_MAX);
      await board.set(logKey(this.#did), lines as unknown as Json);
    };
    const written = this.#written.then(write);
    this.#written = written.catch(() => undefined);
    return written;
  }

  /** Tells the other nodes what this one has under way. */
  async show(swarmId: string, plan: PlanRow): Promise<void> {
    const board = await this.#boardOf(swarmId);
    await board.set(planKey(this.#did, plan.taskId), plan as unknown as Json);
    const own = readPlans(board).filter(({ did }) => did === this.#did);
    const old = own.toSorted((one, other) => other.at - one.at).slice(PLANS_KEPT);
    for (const { taskId } of old) await board.delete(planKey(this.#did, taskId));
  }

  /** Plans of all nodes, as their boards say. */
  async plans(swarmId: string): Promise<readonly PlanOfNode[]> {
    return readPlans(await this.#boardOf(swarmId));
  }

  /** Resolves when all lines are written that were to be. */
  settled(): Promise<void> {
    return this.#written;
  }
}
