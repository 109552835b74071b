/** The approvals that a node knows, those that are over among them: found by id, and bounded. */
import { setMaxListeners } from 'node:events';
import { StarlingError, meantById, noSuchId } from '../../core/index.ts';
import { keyOf, nameOf } from '../principal-names.ts';
import type { ApprovalRequest } from '../types.ts';
import type { Answerer, Approval, ApprovalOutcome } from './types.ts';

/** One approval with its life. */
export interface Entry {
  approval: Approval;
  /** The approval is on the disk, and whoever can answer is asked. */
  isOpen: boolean;
  /** Somebody's answer is on its way to the disk. */
  answering: boolean;
  /** An approved call runs or has run. */
  used: boolean;
  /** Stops the timers of the approval. */
  stop: () => void;
  /** Aborted when the approval is over. */
  readonly over: AbortController;
  /** Those who have been asked and have not answered. */
  readonly asked: Set<Answerer>;
  readonly waiters: ((outcome: ApprovalOutcome) => void)[];
}

/** Bounds of what is known. */
export interface EntriesInit {
  /** Approvals that may wait in all; of these, half are for requests for a grant. */
  readonly pendingMax: number;
  /** Approvals that may wait of one caller. */
  readonly perCallerMax: number;
  /** Approvals that are kept when they are over. */
  readonly keptMax: number;
}

/** Approvals in the order in which they were asked for. */
export class Entries {
  readonly #init: EntriesInit;
  readonly #entries = new Map<string, Entry>();

  constructor(init: EntriesInit) {
    this.#init = init;
  }

  add(approval: Approval): Entry {
    const entry: Entry = {
      approval,
      isOpen: false,
      answering: false,
      used:
        approval.lasting === true ? approval.usedAt !== undefined : approval.state !== 'pending',
      stop: () => undefined,
      over: new AbortController(),
      asked: new Set(),
      waiters: [],
    };
    // One listener for each client that is asked.
    setMaxListeners(0, entry.over.signal);
    this.#entries.set(approval.id, entry);
    return entry;
  }

  all(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** The lasting one for the same call of the same caller that waits, or is approved since `since` and was not used. */
  lastingFor(
    { principal, resource, ability }: ApprovalRequest,
    argsHash: string,
    since: number,
  ): Entry | undefined {
    const key = keyOf(principal);
    return [...this.#entries.values()].find(({ approval, used }) => {
      const isIt =
        approval.lasting === true &&
        approval.argsHash === argsHash &&
        approval.resource === resource &&
        approval.ability === ability &&
        keyOf(approval.principal) === key;
      const isFresh = approval.state === 'approved' && !used && (approval.answeredAt ?? 0) >= since;
      return isIt && (approval.state === 'pending' || isFresh);
    });
  }

  forget(entry: Entry): void {
    entry.stop();
    this.#entries.delete(entry.approval.id);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The entry with the id `id`, or whose id alone begins so. @throws STARLING_APPROVAL_UNKNOWN */
  find(id: string): Entry {
    const exact = this.#entries.get(id);
    if (exact !== undefined) return exact;
    const meant = meantById(id, this.#entries.values(), ({ approval }) => approval.id);
    if ('found' in meant) return meant.found;
    throw new StarlingError('STARLING_APPROVAL_UNKNOWN', noSuchId(id, meant.why, 'approval'), {
      hint: 'see what waits: starling approvals',
    });
  }

  /**
   * That `request` has room. Of all the room, requests for a grant have half: keys to make them with
   * cost nothing. @throws STARLING_LIMIT_EXCEEDED
   */
  checkRoom({ principal, kind }: ApprovalRequest): void {
    const { pendingMax, perCallerMax } = this.#init;
    const key = keyOf(principal);
    const waiting = [...this.#entries.values()]
      .map(({ approval }) => approval)
      .filter(({ state }) => state === 'pending');
    const own = waiting.filter((one) => keyOf(one.principal) === key).length;
    const isCall = kind === 'call';
    const max = isCall ? pendingMax : Math.ceil(pendingMax / 2);
    const all = isCall ? waiting.length : waiting.filter((one) => one.kind === kind).length;
    if (own < perCallerMax && all < max) return;
    const things = isCall ? 'approvals' : 'requests for a grant';
    const whose = own < perCallerMax ? `${max} ${things}` : `${perCallerMax} of its approvals`;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${nameOf(principal)} must wait: ${whose} are unanswered`,
      { hint: 'the operator of the node can answer some: starling approvals' },
    );
  }

  /** Forgets the oldest approvals that are over, beyond `keptMax`, and gives their ids. */
  dropOld(): readonly string[] {
    const over = [...this.#entries.values()].filter(({ approval }) => approval.state !== 'pending');
    const ids = over
      .slice(0, Math.max(0, over.length - this.#init.keptMax))
      .map(({ approval }) => approval.id);
    for (const id of ids) this.#entries.delete(id);
    return ids;
  }
}
