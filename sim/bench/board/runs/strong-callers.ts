/** Callers of a strong board, some at each member: they read, change and lease, and try again what nobody knows. */
import type { Json } from '../../../../src/index.ts';
import type { Chance } from '../../../scenario/random.ts';
import type { Member } from './member-handle.ts';
import type { MemberNews } from './orders.ts';
import type { StrongHistory, ValueAsk } from './strong-history.ts';

/** What callers work with. */
export interface StrongCallersInit {
  /** What callers ask for now. */
  readonly keys: () => readonly string[];
  readonly chance: Chance;
  readonly history: StrongHistory;
  readonly isOver: () => boolean;
  /** Nobody calls at a member for now. */
  readonly isQuiet: (member: Member) => boolean;
  /** Nothing is deleted where what was deleted is erased within seconds: the numbers of a key begin anew then. */
  readonly isDeleting: boolean;
}

/** Changes of a key that one search can order in a moment. */
const OPS_PER_KEY = 80;
const PAUSE_MS = 25;
/** Callers at one member. */
const AT_ONE = 2;
const LEASE_MS = 300;
const TRIES_MAX = 3;
const AGAIN_MS = 100;

/** Callers at all members that go on until a run is over. */
export class StrongCallers {
  readonly counts = { strong: 0, unknown: 0 };
  readonly #init: StrongCallersInit;
  #asked = 0;

  constructor(init: StrongCallersInit) {
    this.#init = init;
  }

  /** Calls at one member until all is over. */
  async call(member: Member): Promise<void> {
    await Promise.all(Array.from({ length: AT_ONE }, () => this.#callOn(member)));
  }

  async #callOn(member: Member): Promise<void> {
    const { keys, chance, history, isOver, isQuiet } = this.#init;
    while (!isOver()) {
      const now = keys();
      const key = now[chance.below(now.length)] ?? '';
      // A node that is dead is asked nothing.
      if (member.isUp && !isQuiet(member) && history.count(key) < OPS_PER_KEY) {
        this.#asked += 1;
        if (chance.next() < 0.12) await this.#lease(member);
        else await this.#ask(member, key, this.#pickRequest(key, `${member.at}-${this.#asked}`));
      }
      await pause(PAUSE_MS);
    }
  }

  #pickRequest(key: string, value: string): ValueAsk {
    const { chance, history, isDeleting } = this.#init;
    const pick = chance.next();
    if (pick < 0.35) return { t: 'get' };
    if (pick < 0.6) return { t: 'set', value };
    if (pick < 0.65 && isDeleting) return { t: 'delete' };
    const known = history.lastValue(key);
    return { t: 'cas', value, ...(typeof known === 'string' ? { expect: known } : {}) };
  }

  async #ask(member: Member, key: string, request: ValueAsk): Promise<void> {
    const { history, isOver } = this.#init;
    const from = performance.now();
    let news = await member.ask({ t: 'strong', key, request });
    for (let tries = 0; tries < TRIES_MAX && request.t !== 'get' && !isOver(); tries += 1) {
      const id = idToTryAgain(news);
      if (id === undefined) break;
      await pause(AGAIN_MS);
      news = await member.ask({ t: 'strong', key, request, id });
    }
    // A reading that nobody was told of says nothing.
    if (request.t === 'get' && news?.t !== 'done') return;
    if (news?.t === 'failed' && news.code === 'STARLING_NO_QUORUM') return;
    this.counts.strong += 1;
    const outcome = news?.t === 'done' ? news.result : undefined;
    if (outcome === undefined) this.counts.unknown += 1;
    history.add(key, request, { from, to: performance.now(), outcome });
  }

  async #lease(member: Member): Promise<void> {
    const holder = `member-${member.at}`;
    const from = performance.now();
    const request = { t: 'lease', holder, ttlMs: LEASE_MS } as const;
    const news = await member.ask({ t: 'strong', key: 'lease', request });
    const result = news?.t === 'done' ? (news.result as Record<string, Json>) : undefined;
    const lease = (result?.['value'] as { lease?: { holder: string; token: number } } | undefined)
      ?.lease;
    if (result?.['ok'] !== true || lease === undefined) return;
    this.#init.history.addLease({ holder, token: lease.token, from, to: performance.now() });
  }
}

/** By what a request is tried again whose outcome nobody knows; undefined of what has come to an end. */
function idToTryAgain(news: MemberNews | undefined): string | undefined {
  return news?.t === 'failed' && news.code === 'STARLING_OUTCOME_UNKNOWN'
    ? news.request
    : undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
