/**
 * The end of a spread agent by the node that has spread it, where no parent sees to that: one of its nodes may keep the
 * lease for as long as it likes, and do nothing. The nodes of the parts take an end from whoever has spread the agent
 * without a lease.
 */
import { leftMs, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import { PARENT_LEASE_MS } from '../limits.ts';
import { isAway } from './parent.ts';
import type { ParentComponents } from './parent.ts';
import type { SpreadBoard, SpreadRow } from './rows.ts';

/** An end that needs no lease says no newer token than any parent has had. */
const LEAST_TOKEN = 1;

/** What ends are brought about with. */
export interface OwnEndsComponents extends Pick<ParentComponents, 'ask' | 'isThere' | 'self'> {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Ends that this node has asked for and that are not complete. */
export class OwnEnds {
  readonly #components: OwnEndsComponents;
  /** Until when the parent has time for it, by the name of the agent. */
  readonly #due = new Map<string, number>();
  readonly #ending = new Set<string>();

  constructor(components: OwnEndsComponents) {
    this.#components = components;
  }

  /** Ends what a parent has left undone for as long as a lease lasts; is to be called now and then. Never rejects. */
  async look(board: SpreadBoard, name: string, { isParent }: { isParent: boolean }): Promise<void> {
    const { clock, logger, self } = this.#components;
    const row = board.known(name);
    if (row?.ended?.how !== 'stopped' || row.claims.iss !== self.did || isParent) {
      this.#due.delete(name);
      return;
    }
    const due = this.#due.get(name) ?? clock.now() + PARENT_LEASE_MS;
    this.#due.set(name, due);
    if (leftMs(clock, due, PARENT_LEASE_MS) > 0 || this.#ending.has(name)) return;
    this.#ending.add(name);
    try {
      await this.#end(board, name, row);
    } catch (error) {
      const fields = { agent: name, error: messageOf(error) };
      logger.debug(fields, 'the end of a spread agent was not written down');
    } finally {
      this.#ending.delete(name);
    }
  }

  async #end(board: SpreadBoard, name: string, row: SpreadRow): Promise<void> {
    const before = new Set(row.ended?.done);
    const open = row.claims.on.filter((node) => !before.has(node) && this.#isThere(node));
    const ended = await Promise.all(open.map((node) => this.#endAt(node, row)));
    const done = [...before, ...open.filter((_, index) => ended[index])];
    if (done.length === before.size && done.length < row.claims.on.length) return;
    const { row: now, version } = await board.read(name);
    if (now?.ended === undefined || now.proof !== row.proof) return;
    const next = { ...now, parts: [], ended: { ...now.ended, done } };
    const written = await board.write(name, next, version);
    if (written === undefined || done.length < row.claims.on.length) return;
    await board.remove(name, this.#components.self.did, written);
  }

  #isThere(node: Did): boolean {
    return node === this.#components.self.did || this.#components.isThere(node);
  }

  /** False where nobody knows whether the part has ended. */
  async #endAt(node: Did, { proof, text: terms }: SpreadRow): Promise<boolean> {
    try {
      const none = { token: LEAST_TOKEN, least: 0, most: 0 };
      await this.#components.ask(node, { want: 'end', proof, terms, ...none });
      return true;
    } catch (error) {
      // Whoever refuses has no part that obeys.
      return !isAway(error);
    }
  }
}
