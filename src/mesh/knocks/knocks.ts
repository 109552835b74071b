/**
 * Who asks to be let into this node's mesh, until the operator answers or the asker goes away. Knocks cost
 * nothing but a signature of the asker, so that they are few: per address and in all, each with an end.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, Did, Health, PeerId } from '../../core/index.ts';
import { didFromPeerId, isShortIdOf } from '../../identity/index.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { KnockAnswer } from './knock-messages.ts';

/** Nodes of one address, and nodes in all, that may wait for an answer at the same time. */
const PER_ADDRESS_MAX = 3;
const WAITING_MAX = 16;
/** How often a node that waits is to ask again. */
const EVERY_MS = 5000;
/** How long a node that was turned away is to stay away. */
const BUSY_MS = 60_000;
/** A node that has not asked for so long has gone. */
const GONE_MS = 45_000;
/** Longest time that a knock waits, an admitted node has to come, and a refused one is remembered. */
const WAITING_MAX_MS = 1_800_000;
const ADMITTED_MS = 600_000;
const REFUSED_MS = 3_600_000;
/** Refused nodes that are remembered. */
const REFUSED_MAX = 64;
/** Knocks that the operator is told of: so many at once, and one a minute. */
const TOLD = { burst: 8, everyMs: 60_000 } as const;
const HEALTH = 'knock:';

/** Somebody who asks to be let in. */
export interface Knock {
  /** What it calls itself, unproven. */
  readonly name: string;
  readonly peerId: PeerId;
  readonly did: Did;
  /** Four words of its key, which the other side shows as well. */
  readonly fingerprint: string;
  readonly address: string;
  /** When it knocked first, ms since the epoch. */
  readonly at: number;
}

/** What the operator hears. */
export interface KnockEvents {
  knock: [knock: Knock];
}

/** The knocks at this node. */
export interface Knocks {
  readonly events: EventEmitter<KnockEvents>;
  /** Those that wait for an answer, the oldest first. */
  waiting(): readonly Knock[];
  /**
   * `peer` has come in, so that its knock is over: another one is a new question. True when the operator of this
   * node has let it in.
   */
  cameIn(peer: PeerId): boolean;
  /** Answers a node that knocks. */
  knock(peer: PeerId, name: string, address: string): KnockAnswer;
  /**
   * Lets one of them in by `ticket`, or refuses it when there is none. `who` is its name, its four words, or
   * its PeerId or the end of that. @throws STARLING_PEER_UNKNOWN, STARLING_USAGE when several are meant
   */
  answer(who: string, makeTicket: (() => Promise<string>) | undefined): Promise<Knock>;
}

/** What knocks are kept with. */
export interface KnockComponents {
  readonly clock: Clock;
  /** Hears of those that wait. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** Hears of tickets of those that were let in, once these have no use for them any more. */
  readonly endTicket?: (ticket: string) => void;
}

interface Entry {
  readonly knock: Knock;
  lastMs: number;
  verdict: 'waiting' | 'admitted' | 'refused';
  answeredMs: number;
  ticket: string | undefined;
  /** It has been told its ticket. */
  isTold: boolean;
  /** How often it was answered: of two answers the later one counts, whichever has its ticket first. */
  answers: number;
}

/** Makes the list, empty. */
export function createKnocks(components: KnockComponents): Knocks {
  return new KnockList(components);
}

class KnockList implements Knocks {
  readonly events = new EventEmitter<KnockEvents>();
  readonly #components: KnockComponents;
  /** In the order in which they came. */
  readonly #entries = new Map<PeerId, Entry>();
  readonly #told: Buckets;

  constructor(components: KnockComponents) {
    this.#components = components;
    this.#told = createBuckets(components.clock, TOLD);
  }

  waiting(): readonly Knock[] {
    this.#tidy();
    return this.#waiting().map(({ knock }) => knock);
  }

  cameIn(peer: PeerId): boolean {
    const entry = this.#entries.get(peer);
    const isAdmitted = entry?.verdict === 'admitted';
    if (isAdmitted) {
      this.#entries.delete(peer);
      // It may have come in by another one.
      this.#endTicket(entry);
    }
    return isAdmitted;
  }

  knock(peer: PeerId, name: string, address: string): KnockAnswer {
    this.#tidy();
    const known = this.#entries.get(peer);
    if (known !== undefined) {
      known.lastMs = this.#components.clock.now();
      if (known.verdict === 'refused') return { t: 'refused', reason: 'the operator said no' };
      const { ticket } = known;
      known.isTold ||= ticket !== undefined;
      return ticket === undefined ? { t: 'wait', everyMs: EVERY_MS } : { t: 'admitted', ticket };
    }
    const waiting = this.#waiting();
    const same = waiting.filter(({ knock }) => knock.address === address);
    if (
      waiting.length >= WAITING_MAX ||
      same.length >= PER_ADDRESS_MAX ||
      !this.#told.take('all')
    ) {
      return { t: 'busy', everyMs: BUSY_MS };
    }
    this.#begin(peer, name, address);
    return { t: 'wait', everyMs: EVERY_MS };
  }

  async answer(who: string, makeTicket: (() => Promise<string>) | undefined): Promise<Knock> {
    const entry = this.#meant(who);
    // The list may change while the ticket is made; the entry that was meant stays the one that is answered.
    const verdict = makeTicket === undefined ? 'refused' : 'admitted';
    // Who is let in twice gets one ticket: another would stay open for nobody.
    entry.answers += 1;
    const turn = entry.answers;
    if (entry.verdict !== verdict) {
      const ticket = await makeTicket?.();
      const isLast = turn === entry.answers && this.#entries.get(entry.knock.peerId) === entry;
      if (!isLast) {
        if (ticket !== undefined) this.#components.endTicket?.(ticket);
        return entry.knock;
      }
      this.#endTicket(entry);
      entry.ticket = ticket;
      entry.verdict = verdict;
      entry.answeredMs = this.#components.clock.now();
    }
    this.#components.health?.clear(HEALTH + entry.knock.peerId);
    return entry.knock;
  }

  #begin(peer: PeerId, name: string, address: string): void {
    const at = this.#components.clock.now();
    const did = didFromPeerId(peer);
    const shown = name.trim() === '' ? `node-${peer.slice(-4)}` : name.trim();
    const knock: Knock = {
      name: shown,
      peerId: peer,
      did,
      fingerprint: fingerprintOf(did),
      address,
      at,
    };
    this.#entries.set(peer, {
      knock,
      lastMs: at,
      verdict: 'waiting',
      answeredMs: at,
      ticket: undefined,
      answers: 0,
      isTold: false,
    });
    this.#components.health?.raise({
      code: HEALTH + peer,
      text: `${shown} (${knock.fingerprint}) at ${address} asks to join this mesh`,
      hint: `compare the four words with those that it shows, then: starling members admit ${peer.slice(-8)}, or starling members refuse ${peer.slice(-8)}`,
    });
    this.events.emit('knock', knock);
  }

  /** The one that is meant, refused ones included: the operator may think again. */
  #meant(who: string): Entry {
    this.#tidy();
    const words = who.trim().replaceAll('-', ' ');
    const isMeant = ({ knock: { name, peerId, fingerprint } }: Entry): boolean =>
      name === who || fingerprint === words || peerId === who || isShortIdOf(who, peerId);
    const all = [...this.#entries.values()].filter(isMeant);
    const [found, ...others] = all;
    if (found === undefined) {
      const names = this.#waiting().map(({ knock }) => knock.name);
      throw new StarlingError(
        'STARLING_PEER_UNKNOWN',
        `nobody who is called '${who}' asks to join`,
        {
          hint:
            names.length === 0
              ? 'nobody asks here at the moment; it may be asking another member of the mesh (its screen says where: admit it there); else on the other machine: starling up --knock <mesh>'
              : `those who ask: ${names.join(', ')}`,
        },
      );
    }
    if (others.length === 0) return found;
    const list = all.map(
      ({ knock }) => `${knock.peerId.slice(-8)} (${knock.fingerprint}, at ${knock.address})`,
    );
    throw new StarlingError('STARLING_USAGE', `several who ask to join are called '${who}'`, {
      hint: `name one by the end of its PeerId: ${list.join(', ')}`,
    });
  }

  #endTicket(entry: Entry): void {
    const { ticket } = entry;
    if (ticket !== undefined) this.#components.endTicket?.(ticket);
    entry.ticket = undefined;
    entry.isTold = false;
  }

  #waiting(): readonly Entry[] {
    return [...this.#entries.values()].filter(({ verdict }) => verdict === 'waiting');
  }

  #tidy(): void {
    const now = this.#components.clock.now();
    for (const [peer, entry] of this.#entries) {
      if (!isOver(entry, now)) continue;
      this.#entries.delete(peer);
      this.#endTicket(entry);
      this.#components.health?.clear(HEALTH + peer);
    }
    const refused = [...this.#entries.values()].filter(({ verdict }) => verdict === 'refused');
    for (const { knock } of refused.slice(0, -REFUSED_MAX)) this.#entries.delete(knock.peerId);
  }
}

function isOver({ knock, verdict, lastMs, answeredMs, isTold }: Entry, now: number): boolean {
  if (verdict === 'refused') return now - answeredMs > REFUSED_MS;
  if (verdict === 'admitted') {
    // Who was let in after it had gone never hears of its ticket.
    const isGone = !isTold && now - Math.max(lastMs, answeredMs) > GONE_MS;
    return isGone || now - answeredMs > ADMITTED_MS;
  }
  return now - lastMs > GONE_MS || now - knock.at > WAITING_MAX_MS;
}
