/**
 * Lets everybody know everybody without a link to each: two that are connected tell one another on their control
 * stream whom they know. First a digest, then, where that differs, who is there in which incarnation, then the
 * heartbeats that the other has not, each with its author's own signature. Who hears that way of somebody new
 * says so at once (`roster-notices.ts`), so that a newcomer is known by all in as many steps as the mesh is wide.
 *
 * ```
 *   a: have(digest)  ─►  ◄─ have(digest) :b        on each new link, and now and then with one neighbour
 *   a: list          ─►  ◄─         list :b        where the digests differ
 *   a: news          ─►  ◄─         news :b        what the other has not, or asks for; later who leaves
 * ```
 */
import { createBuckets, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { decodeHeartbeat } from '../heartbeats/heartbeat-format.ts';
import type { Heartbeat } from '../heartbeats/heartbeat-format.ts';
import { signedHeartbeat } from '../heartbeats/heartbeat-signature.ts';
import type { Peer, PeerTable } from '../peers/peer-table.ts';
import { createRosterDigest } from './roster-digest.ts';
import { decodeRosterMessage, encodeRosterMessage, listsOf, newsOf } from './roster-messages.ts';
import type { PassedHeartbeat, RosterEntry, RosterMessage } from './roster-messages.ts';
import { RosterNotices } from './roster-notices.ts';

/** Of frames on control streams. */
const KIND = 'roster';
/**
 * How often one neighbour, by chance, is told the digest: finds what was lost. Less = it is found sooner, and each
 * time costs a frame, and two lists where something differs.
 */
const COMPARE_MS = 30_000;
/**
 * Somebody has come or gone: so long after the last such change a neighbour, by chance, is told the digest. More =
 * fewer comparisons while many come; less = what was lost on the way is known sooner.
 */
const SETTLED_MS = 1000;
/** Who told of a stranger has the record of its membership: it is asked for that when gossip has not brought it by then. */
const STRANGER_MS = 500;
/** What is news goes on so much later, in one frame with what comes close to it. More = fewer frames, later news. */
const PASS_DELAY_MS = 50;
/**
 * Those of our links, by chance, who are told of somebody new. More = all know sooner, and each hears it from more; less =
 * more is left to gossip and to digests, which find whom that has missed.
 */
const TOLD_MAX = 4;
/** A peer is sent lists at most so often: both have then said all. */
const LIST_PAUSE_MS = 1000;
/** Heartbeats that one peer may pass on, each of which may cost a check of its signature (0.15 ms): one whole roster. */
const PASSED = { burst: 4000, everyMs: 10 } as const;
/** Messages of one peer: its news, one message in each {@link PASS_DELAY_MS}, and comparisons. */
const MESSAGES = { burst: 400, everyMs: 50 } as const;
/** Heartbeats of authors whose membership has not come yet. */
const STRANGERS_MAX = 512;

/** What the roster works with. */
export interface RosterComponents {
  readonly network: Pick<
    Network,
    'connected' | 'events' | 'isConnected' | 'onFrame' | 'report' | 'self' | 'sendFrame'
  >;
  readonly peers: Pick<PeerTable, 'all' | 'get'>;
  readonly isMember: (peer: PeerId) => boolean;
  /** This node's incarnation. */
  readonly incarnation: () => number;
  /** Asks a peer for the records that it has and this node lacks. */
  readonly askRecords: (peer: PeerId) => void;
  /** Tells a peer this node's own heartbeat: what is told once, when a link opens, may be lost with that link. */
  readonly tellOwn: (peer: PeerId) => void;
  /** Takes a heartbeat that was passed on; the signature is its author's. */
  readonly take: (heartbeat: Heartbeat, author: PeerId, bytes: Uint8Array, by: PeerId) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The exchange of whom one knows. */
export interface Roster {
  /** Works until `scope` closes. */
  start(scope: Scope): void;
  /** Something new is known of `peer`, from `by`: everybody else who is connected is to hear of it. */
  pass(peer: PeerId, by: PeerId): void;
  /** Whether `peer` is there, or in which incarnation, is not what it was. */
  changed(peer: PeerId): void;
  /** Somebody has become a member. */
  joined(): void;
}

/** Nobody is known, and nobody asked, before `start`. */
export function createRoster(components: RosterComponents): Roster {
  return new RosterExchange(components);
}

class RosterExchange implements Roster {
  readonly #components: RosterComponents;
  readonly #passed: Buckets;
  readonly #messages: Buckets;
  readonly #listedAt = new Map<PeerId, number>();
  /** Of whom others are to hear, and who knows already. */
  readonly #news = new Map<PeerId, Set<PeerId>>();
  readonly #notices: RosterNotices;
  readonly #strangers = new Map<PeerId, { readonly bytes: Uint8Array; readonly by: PeerId }>();
  readonly #digest = createRosterDigest();
  /** Cancels the comparison that a change has set off. */
  #cancelCompare: () => void = () => undefined;
  #isAskingLater = false;
  #scope: Scope | undefined;

  constructor(components: RosterComponents) {
    this.#components = components;
    this.#passed = createBuckets(components.clock, PASSED);
    this.#messages = createBuckets(components.clock, MESSAGES);
    this.#notices = new RosterNotices({
      ...components,
      isNews: (entry) => this.#isNews(entry),
      knows: (from, entry) => this.#knows(from, entry),
      give: (to, asked) => this.#give(to, asked),
    });
  }

  start(scope: Scope): void {
    this.#scope = scope;
    const { network, peers } = this.#components;
    this.#isAskingLater = false;
    for (const peer of peers.all()) this.changed(peer.view.peerId);
    const connected = (peer: PeerId): void => this.#greet(peer);
    const disconnected = (peer: PeerId): void => {
      this.#listedAt.delete(peer);
    };
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => network.events.off('peer:connect', connected));
    scope.add(() => network.events.off('peer:disconnect', disconnected));
    scope.add(network.onFrame(KIND, (bytes, from) => this.#heard(bytes, from)));
    this.#notices.start(scope);
    scope.add(() => {
      this.#scope = undefined;
      this.#news.clear();
      this.#strangers.clear();
    });
    scope.every(COMPARE_MS, () => this.#compareWithOne());
    for (const peer of network.connected()) this.#greet(peer);
  }

  changed(peerId: PeerId): void {
    const peer = this.#components.peers.get(peerId);
    const incarnation = peer !== undefined && isHere(peer) ? peer.incarnation : undefined;
    if (!this.#digest.set(peerId, incarnation)) return;
    this.#cancelCompare();
    this.#cancelCompare = this.#scope?.after(SETTLED_MS, () => this.#compareWithOne()) ?? nothing;
  }

  pass(peer: PeerId, by: PeerId): void {
    if (this.#scope === undefined) return;
    if (this.#news.size === 0) this.#scope.after(PASS_DELAY_MS, () => this.#passAll());
    const knowers = this.#news.get(peer) ?? new Set([peer]);
    this.#news.set(peer, knowers.add(by));
  }

  joined(): void {
    for (const [peer, { bytes, by }] of this.#strangers) {
      if (!this.#components.isMember(peer)) continue;
      this.#strangers.delete(peer);
      this.#take({ peer, bytes }, by);
    }
  }

  #greet(peer: PeerId): void {
    this.#send(peer, { t: 'have', digest: this.#digestNow() });
  }

  #compareWithOne(): void {
    const { network, random } = this.#components;
    const connected = network.connected();
    const peer = connected[Math.floor(random() * connected.length)];
    if (peer !== undefined) this.#greet(peer);
  }

  #heard(bytes: Uint8Array, from: PeerId): void {
    const { network } = this.#components;
    const message = decodeRosterMessage(bytes);
    if (message === undefined) {
      network.report(from, 'malformed');
      return;
    }
    if (!this.#messages.take(from)) network.report(from, 'heartbeats');
    else if (message.t === 'have') this.#compare(message.digest, from);
    else if (message.t === 'list') this.#answer(message, from);
    else for (const heartbeat of message.heartbeats) this.#take(heartbeat, from);
  }

  #compare(digest: string, from: PeerId): void {
    if (digest !== this.#digestNow()) this.#list(from);
  }

  #list(to: PeerId): void {
    const now = this.#components.clock.now();
    if (Math.abs(now - (this.#listedAt.get(to) ?? -Infinity)) < LIST_PAUSE_MS) return;
    this.#listedAt.set(to, now);
    for (const list of listsOf(this.#entries())) this.#send(to, list);
  }

  /** Sends what the other has not of those that its list is about. */
  #answer(list: Extract<RosterMessage, { readonly t: 'list' }>, from: PeerId): void {
    const { incarnation, network, peers, tellOwn } = this.#components;
    this.#list(from);
    const theirs = new Map(list.entries.map(({ peer, incarnation }) => [peer, incarnation]));
    const missing: PassedHeartbeat[] = [];
    const isAbout = (peer: PeerId): boolean =>
      peer > list.after && (list.to === '' || peer <= list.to);
    const { self } = network;
    if (isAbout(self) && (theirs.get(self) ?? -1) < incarnation()) tellOwn(from);
    for (const peer of peers.all()) {
      const { peerId } = peer.view;
      if (!isHere(peer) || peerId === from || !isAbout(peerId)) continue;
      if (peer.incarnation <= (theirs.get(peerId) ?? -1)) continue;
      const bytes = signedOf(peer);
      if (bytes !== undefined) missing.push({ peer: peerId, bytes });
    }
    for (const news of newsOf(missing)) this.#send(from, news);
  }

  #take({ peer, bytes }: PassedHeartbeat, by: PeerId): void {
    const { isMember, network, peers, take } = this.#components;
    if (peer === network.self) return;
    if (!this.#passed.take(by)) {
      network.report(by, 'heartbeats');
      return;
    }
    if (!isMember(peer)) {
      this.#remember(peer, bytes, by);
      return;
    }
    const heartbeat = decodeHeartbeat(bytes);
    if (heartbeat === undefined) return;
    const known = peers.get(peer);
    if (known !== undefined && !isLater(heartbeat, known)) {
      this.#knows(by, { peer, incarnation: heartbeat.incarnation });
      return;
    }
    const signed = signedHeartbeat(bytes, peer);
    if (signed === undefined) network.report(by, 'malformed');
    else take(heartbeat, peer, signed, by);
  }

  /** The record of its membership may be under way. */
  #remember(peer: PeerId, bytes: Uint8Array, by: PeerId): void {
    const [oldest] = this.#strangers.size < STRANGERS_MAX ? [] : this.#strangers.keys();
    if (oldest !== undefined) this.#strangers.delete(oldest);
    this.#strangers.set(peer, { bytes, by });
    if (this.#isAskingLater || this.#scope === undefined) return;
    this.#isAskingLater = true;
    this.#scope.after(STRANGER_MS, () => this.#askForStrangers());
  }

  /** Each who has told of somebody whose record has still not come, once for all of them. */
  #askForStrangers(): void {
    this.#isAskingLater = false;
    const tellers = new Set([...this.#strangers.values()].map(({ by }) => by));
    for (const peer of tellers) {
      if (this.#components.network.isConnected(peer)) this.#components.askRecords(peer);
    }
  }

  /** Who leaves is told of by its last heartbeat, which it can be asked for no more; of the others it is said that they are known. */
  #passAll(): void {
    const { network, peers } = this.#components;
    const news = [...this.#news];
    this.#news.clear();
    const entries: (RosterEntry & { readonly knowers: ReadonlySet<PeerId> })[] = [];
    const gone: (PassedHeartbeat & { readonly knowers: ReadonlySet<PeerId> })[] = [];
    for (const [peerId, knowers] of news) {
      const peer = peers.get(peerId);
      if (peer === undefined) continue;
      const bytes = isHere(peer) ? undefined : signedOf(peer);
      if (isHere(peer)) entries.push({ peer: peerId, incarnation: peer.incarnation, knowers });
      else if (bytes !== undefined) gone.push({ peer: peerId, bytes, knowers });
    }
    const connected = network.connected();
    const told = new Map<PeerId, RosterEntry[]>();
    for (const { knowers, ...entry } of entries) {
      for (const to of this.#some(connected.filter((one) => !knowers.has(one)))) {
        told.set(to, [...(told.get(to) ?? []), entry]);
      }
    }
    for (const [to, some] of told) this.#notices.tell(to, some);
    for (const to of connected) {
      const own = gone.filter(({ knowers }) => !knowers.has(to));
      for (const message of newsOf(own)) this.#send(to, message);
    }
  }

  /** At most {@link TOLD_MAX} of them, by chance. */
  #some(peers: readonly PeerId[]): readonly PeerId[] {
    const rest = [...peers];
    const some: PeerId[] = [];
    while (rest.length > 0 && some.length < TOLD_MAX) {
      some.push(...rest.splice(Math.floor(this.#components.random() * rest.length), 1));
    }
    return some;
  }

  #isNews({ peer, incarnation }: RosterEntry): boolean {
    const { network, peers } = this.#components;
    return peer !== network.self && incarnation > (peers.get(peer)?.incarnation ?? -1);
  }

  /** `from` has heard as much of a peer as is to be told: it need not hear that. */
  #knows(from: PeerId, { peer, incarnation }: RosterEntry): void {
    const known = this.#components.peers.get(peer);
    if (known !== undefined && incarnation >= known.incarnation) this.#news.get(peer)?.add(from);
  }

  #give(to: PeerId, asked: readonly PeerId[]): void {
    const { peers } = this.#components;
    const heartbeats = asked.flatMap((peerId) => {
      const peer = peers.get(peerId);
      const bytes = peer === undefined ? undefined : signedOf(peer);
      return bytes === undefined ? [] : [{ peer: peerId, bytes }];
    });
    for (const news of newsOf(heartbeats)) this.#send(to, news);
  }

  #send(peer: PeerId, message: RosterMessage): void {
    const { logger, network } = this.#components;
    const sent = network.sendFrame(peer, KIND, encodeRosterMessage(message));
    unawaited(sent, logger, 'news of the roster were not sent', { peer });
  }

  /** Who is there, this node included, by PeerId. */
  #entries(): readonly RosterEntry[] {
    const { incarnation, network, peers } = this.#components;
    const entries: RosterEntry[] = [{ peer: network.self, incarnation: incarnation() }];
    for (const peer of peers.all()) {
      if (isHere(peer)) entries.push({ peer: peer.view.peerId, incarnation: peer.incarnation });
    }
    return entries.toSorted((a, b) => (a.peer < b.peer ? -1 : 1));
  }

  #digestNow(): string {
    const { incarnation, network } = this.#components;
    this.#digest.set(network.self, incarnation());
    return this.#digest.text();
  }
}

function nothing(): void {
  // There is nothing to cancel.
}

function isHere({ view, incarnation }: Peer): boolean {
  return incarnation > 0 && (view.state === 'alive' || view.state === 'suspect');
}

/** Whether the heartbeat says more than is known. */
function isLater({ incarnation, sequence }: Heartbeat, known: Peer): boolean {
  if (incarnation !== known.incarnation) return incarnation > known.incarnation;
  return sequence > known.sequence;
}

/** The last heartbeat of a peer with its signature; reckoned once. */
function signedOf(peer: Peer): Uint8Array | undefined {
  const { last } = peer;
  if (last === undefined) return undefined;
  if (!last.isChecked) {
    const bytes = signedHeartbeat(last.bytes, peer.view.peerId);
    peer.last = bytes === undefined ? undefined : { bytes, isChecked: true };
  }
  return peer.last?.bytes;
}
