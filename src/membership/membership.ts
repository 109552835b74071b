/**
 * The live view of the mesh: sends this node's heartbeats, hears those of others, and keeps what is
 * known of each peer. Whether a silent peer is alive is decided in `suspicion.ts`.
 */
import { EventEmitter } from 'node:events';
import { createScope, isClockApart, messageOf, unawaited } from '../core/index.ts';
import type { Clock, Health, Logger, PeerId, Random, Scope } from '../core/index.ts';
import { createRecordSync } from '../mesh/index.ts';
import type { Signer } from '../identity/index.ts';
import type { OwnMesh, RecordSync } from '../mesh/index.ts';
import type { Network } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import type { Heartbeat, Pulse } from './heartbeats/heartbeat-format.ts';
import { ambiguous, unknownPeer } from './peers/peer-names.ts';
import { nextTold } from './detection/send-times.ts';
import { createHeartbeats } from './heartbeats/heartbeats.ts';
import type { Heartbeats } from './heartbeats/heartbeats.ts';
import { offsetOf, watchClocks, withSample } from './clock-watch.ts';
import { createIncarnations } from './heartbeats/incarnation.ts';
import type { Incarnations } from './heartbeats/incarnation.ts';
import { createNeighbourKeeper } from './keep-neighbours.ts';
import type { NeighbourKeeper } from './keep-neighbours.ts';
import { createPeerEvidence } from './peer-evidence.ts';
import type { PeerEvidence } from './peer-evidence.ts';
import { createRoster } from './roster/roster.ts';
import type { Roster } from './roster/roster.ts';
import { followRevocations } from './follow-revocations.ts';
import { createPeerTable } from './peers/peer-table.ts';
import type { Peer, PeerTable } from './peers/peer-table.ts';
import type { Membership, MembershipEvents, PeerView, Presence } from './types.ts';
import { boardsDiffer, sameOrNext } from './peers/peer-diff.ts';
import { createIndirectProbe } from './detection/indirect-probe.ts';
import type { IndirectProbe } from './detection/indirect-probe.ts';

/** Changes of this node within it are told in one heartbeat. More = fewer heartbeats, later news. */
const ANNOUNCE_DELAY_MS = 50;
/**
 * How long a node that stops waits for its goodbyes to go out. More = fewer peers that have to suspect it; a link
 * that is just being made has this time, which nobody waits for otherwise.
 */
const GOODBYE_MS = 900;
/** Round trips are noted each 1.5 to 2.5 intervals, drawn once for each node, so that not all do at once. */
const ROUND_TRIP_INTERVALS = 1.5;

/** What membership works with. */
export interface MembershipComponents {
  readonly network: Network;
  readonly ownMesh: OwnMesh;
  /** Signs what this node says of itself. */
  readonly identity: Pick<Signer, 'sign'>;
  /** Where peers are saved. */
  readonly table: Table;
  /** Where it is kept which run of this node this is. */
  readonly runs: Table;
  /** True for an alias by which the operator has said what a peer may do; default: there is none. */
  readonly isSpokenOf?: (alias: string) => boolean;
  readonly health: Pick<Health, 'raise' | 'clear'>;
  /** What this node says of itself, asked for at each heartbeat. */
  readonly presence: () => Omit<Presence, 'boards'>;
  /** Digests of this node's boards, asked for at each heartbeat that is sent or heard. */
  readonly boards: () => Presence['boards'];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Rhythm and limits of membership: see `heartbeat` in the configuration. */
export interface MembershipInit {
  readonly intervalMs: number;
  readonly phiSuspect: number;
  readonly deadAfterMs: number;
}

/** Makes the view; `start` begins to send and hear. */
export function createMembership(
  components: MembershipComponents,
  init: MembershipInit,
): Membership {
  return new LiveView(components, init);
}

class LiveView implements Membership {
  readonly events = new EventEmitter<MembershipEvents>();
  readonly #components: MembershipComponents;
  readonly #init: MembershipInit;
  readonly #peers: PeerTable;
  readonly #neighbours: NeighbourKeeper;
  readonly #heartbeats: Heartbeats;
  readonly #roster: Roster;
  readonly #sync: RecordSync;
  readonly #indirectProbe: IndirectProbe;
  readonly #evidence: PeerEvidence;
  readonly #incarnations: Incarnations;
  #ownName: string | undefined;
  #scope: Scope | undefined;
  #isAnnouncing = false;
  #status: Heartbeat['status'] = 'up';
  #hasClocksApart = false;
  #goodbye: Promise<void> | undefined;

  constructor(components: MembershipComponents, init: MembershipInit) {
    this.#components = components;
    this.#init = init;
    const { ownMesh, presence, boards } = components;
    this.#neighbours = createNeighbourKeeper({ ...components, peers: () => this.#peers.all() });
    this.#peers = createPeerTable(
      {
        ...components,
        successions: ownMesh.successions,
        self: () => this.#name(),
        placed: (peer) => this.#neighbours.placed(peer),
        changed: (peer, before, what) => {
          if (what.has('state')) this.#neighbours.changed();
          if (what.has('state') || what.has('startedAt')) this.#roster.changed(peer.peerId);
          this.events.emit('change', peer, before, what);
        },
      },
      init,
    );
    this.#heartbeats = createHeartbeats(
      {
        ...components,
        presence: () => ({ ...presence(), boards: boards() }),
        records: () => ownMesh.records().digest(),
        suspects: () => this.#evidence.suspects(),
      },
      init,
    );
    this.#roster = createRoster({
      ...components,
      peers: this.#peers,
      isMember: (peer) => this.#isMember(peer),
      incarnation: () => this.#heartbeats.incarnation,
      askRecords: (peer) => this.#sync.isBehind(peer),
      tellOwn: (peer) => this.#tell(peer, this.#nextFor(this.#peers.get(peer)?.view)),
      take: (heartbeat, author, bytes, by) => this.#take(heartbeat, author, bytes, by),
    });
    this.#sync = createRecordSync({ ...components, records: ownMesh.records() });
    this.#indirectProbe = createIndirectProbe(components);
    this.#evidence = createPeerEvidence(
      {
        ...components,
        peers: this.#peers,
        neighbours: this.#neighbours,
        indirectProbe: this.#indirectProbe,
        speak: () => this.announce(),
      },
      init,
    );
    this.#incarnations = createIncarnations({ table: components.runs, clock: components.clock });
    this.events.setMaxListeners(0);
  }

  /** Of a node does not change while it runs; asked for at each change of a peer. */
  #name(): string {
    this.#ownName ??= this.#components.presence().name;
    return this.#ownName;
  }

  peers(): readonly PeerView[] {
    return this.#peers.views();
  }

  peer(peerId: PeerId): PeerView | undefined {
    return this.#peers.get(peerId)?.view;
  }

  byAlias(alias: string): PeerView | undefined {
    return this.#peers.byAlias(alias)?.view;
  }

  find(reference: string): PeerView | undefined {
    return this.#peers.find(reference);
  }

  resolve(reference: string): PeerView {
    const [found, ...others] = this.#peers.claimants(reference);
    if (found === undefined) {
      throw unknownPeer(
        reference,
        this.peers().map((view) => view.alias),
        this.#components.presence().name,
      );
    }
    if (others.length > 0) throw ambiguous(reference, [found, ...others]);
    return found;
  }

  nameOf(peerId: PeerId): string | undefined {
    return this.#peers.nameOf(peerId);
  }

  rename(peerId: PeerId, alias: string): PeerView {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) throw unknownPeer(peerId, []);
    this.#peers.rename(peer, alias);
    // One that is away hears it when it connects.
    if (this.#components.network.connected().includes(peerId)) {
      this.#tell(peerId, this.#nextFor(peer.view));
    }
    return peer.view;
  }

  inStep(peerId: PeerId): Promise<void> | undefined {
    return this.#sync.inStep(peerId);
  }

  announce(): void {
    const scope = this.#scope;
    if (scope === undefined || this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    // What changes again and again is told as often as the others will hear it.
    scope.after(Math.max(ANNOUNCE_DELAY_MS, this.#heartbeats.paceMs()), () => {
      this.#isAnnouncing = false;
      this.#send();
    });
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger, network } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'membership task failed'),
    );
    this.#scope = scope;
    await this.#peers.load((peer) => this.#isMember(peer));
    this.#heartbeats.begin(await this.#incarnations.begin());
    // It was stopped meanwhile.
    if (scope.closed) return;
    this.#listen(scope);
    this.#keepTime(scope);
    for (const peer of network.connected()) this.#connected(peer);
  }

  sayGoodbye(): Promise<void> {
    if (this.#scope === undefined) return Promise.resolve();
    this.#goodbye ??= this.#leave();
    return this.#goodbye;
  }

  async stop(): Promise<void> {
    const scope = this.#scope;
    if (scope === undefined) return;
    try {
      await this.sayGoodbye();
    } finally {
      scope.close();
      this.#scope = undefined;
      this.#isAnnouncing = false;
      this.#status = 'up';
      this.#goodbye = undefined;
    }
    await this.#peers.saved();
  }

  async #leave(): Promise<void> {
    // Whatever is said from now on is the goodbye: the last word is what the others believe.
    this.#status = 'leaving';
    // Why this node goes may be among the records, and concern others as well.
    this.#sync.tellNow();
    const goodbye = this.#heartbeats.next(this.#status);
    const peers = this.#components.network.connected();
    await this.#heartbeats.sayGoodbye(peers, goodbye, GOODBYE_MS);
  }

  #listen(scope: Scope): void {
    const { network, ownMesh } = this.#components;
    const connected = (peer: PeerId): void => this.#connected(peer);
    const disconnected = (peer: PeerId, isMeant = false): void =>
      this.#evidence.disconnected(peer, isMeant);
    const sign = (peer: PeerId): void => this.#evidence.sign(peer);
    network.events.on('peer:sign', sign);
    scope.add(() => network.events.off('peer:sign', sign));
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => network.events.off('peer:connect', connected));
    scope.add(() => network.events.off('peer:disconnect', disconnected));
    scope.add(
      this.#heartbeats.listen({
        heard: (heartbeat, from, bytes, road) =>
          this.#take(heartbeat, from, bytes, road === 'told' ? from : undefined),
        pulsed: (pulse, from) => this.#pulsed(pulse, from),
      }),
    );
    this.#roster.start(scope);
    scope.add(ownMesh.records().onAdded(() => this.#roster.joined()));
    scope.add(
      followRevocations({
        ...this.#components,
        peers: this.#peers,
        evicted: (reason, hint) => this.events.emit('evicted', reason, hint),
        after: (delayMs, work) => {
          scope.after(delayMs, work);
        },
      }),
    );
    this.#sync.start();
    scope.add(() => this.#sync.stop());
    this.#indirectProbe.start();
    scope.add(() => this.#indirectProbe.stop());
  }

  #keepTime(scope: Scope): void {
    const { intervalMs } = this.#init;
    const { random } = this.#components;
    this.#beat(scope);
    this.#neighbours.start(scope);
    this.#evidence.start(scope);
    scope.every(intervalMs * (ROUND_TRIP_INTERVALS + random()), () => this.#noteRoundTrips());
  }

  /** Sends a heartbeat in each interval, which is longer the more members there are. */
  #beat(scope: Scope): void {
    scope.after(this.#init.intervalMs * this.#evidence.stretch(), () => {
      this.#heartbeats.publish(this.#heartbeats.beat(this.#status));
      this.#beat(scope);
    });
  }

  /** Gossips a heartbeat that says something new. */
  #send(): void {
    this.#heartbeats.publish(this.#heartbeats.next(this.#status));
  }

  /**
   * Takes a heartbeat of `from`, told by that peer itself or passed on by another, `by`; absent when it came by
   * gossip, which brings it to everybody.
   */
  #take(heartbeat: Heartbeat, from: PeerId, bytes: Uint8Array, by: PeerId | undefined): void {
    if (!this.#isMember(from)) {
      this.#components.logger.debug({ peer: from }, 'heartbeat of no member');
      return;
    }
    const { incarnation, sequence, status, seen } = heartbeat;
    if (seen !== undefined) {
      unawaited(this.#pass(seen), this.#components.logger, 'incarnation not kept');
    }
    const peer = this.#peers.get(from) ?? this.#peers.meet(from, heartbeat.presence.name);
    if (peer === undefined) return;
    const isNew = incarnation > peer.incarnation;
    const isPassed = by !== undefined && by !== from;
    if (incarnation < peer.incarnation) this.#correct(peer);
    if (!isNew && (incarnation < peer.incarnation || sequence <= peer.sequence)) {
      if (incarnation === peer.incarnation && sequence === peer.sequence)
        this.#hear(peer, heartbeat);
      return;
    }
    peer.incarnation = incarnation;
    peer.sequence = sequence;
    peer.said = heartbeat;
    // One without its author's signature can't be passed on, and says the same as the last that can.
    const isSigned = heartbeat.isSigned === true;
    if (isSigned || isNew) peer.last = isSigned ? { bytes, isChecked: isPassed } : undefined;
    this.#heard(peer, heartbeat, by);
    this.#evidence.accused(from, status === 'up' ? (heartbeat.suspects ?? []) : []);
    if (by !== undefined && (isNew || status === 'leaving')) this.#roster.pass(from, by);
    if (status === 'leaving') return;
    // Whoever has just started has heard nobody yet. Who is not connected hears by gossip, or when it is.
    if (isNew && this.#components.network.isConnected(from)) {
      this.#tell(from, this.#nextFor(peer.view));
    }
  }

  /** All is as the peer said last. Of a run of it that nothing is known of a pulse says nothing. */
  #pulsed({ incarnation, sequence, time }: Pulse, from: PeerId): void {
    const peer = this.#peers.get(from);
    if (peer?.said === undefined || !this.#isMember(from)) return;
    if (incarnation < peer.incarnation) this.#correct(peer);
    if (incarnation !== peer.incarnation || sequence <= peer.sequence) return;
    const { seen: _, called: __, ...said } = peer.said;
    if (said.status === 'leaving') return;
    peer.sequence = sequence;
    this.#heard(peer, { ...said, sequence, time }, undefined);
  }

  #heard(peer: Peer, heartbeat: Heartbeat, by: PeerId | undefined): void {
    const { clock } = this.#components;
    const { incarnation, status } = heartbeat;
    const before = peer.view.presence;
    const said = sameOrNext(heartbeat.presence, before);
    const at = { lastHeartbeatAt: clock.now(), startedAt: incarnation };
    this.#peers.heardNames(peer, said.name, heartbeat.called);
    peer.told = nextTold(peer.told, heartbeat.time, clock.now());
    this.#evidence.heard(peer, status, {
      ...at,
      // What was passed on has been under way for longer.
      ...(by === undefined || by === peer.view.peerId ? this.#clockOf(peer, heartbeat) : {}),
      presence: said,
    });
    if (peer.clockSamples.length > 0) this.#watchClocks(peer.view);
    const hasMoved = said.addresses.join() !== before?.addresses.join();
    if (hasMoved || peer.isUnsaved) this.#peers.save(peer);
    if (status !== 'leaving') this.#compare(peer.view, heartbeat, before);
  }

  /** The last heartbeat again, for this node: what the peer calls it is new. */
  #hear(peer: Peer, { called, presence }: Heartbeat): void {
    if (called === undefined || called === peer.callsUs) return;
    this.#peers.heardNames(peer, presence.name, called);
    this.#peers.update(peer, {});
  }

  /** Who says an older incarnation than we know is told which, so that it jumps past that one. */
  #correct(peer: Peer): void {
    const nowMs = this.#components.clock.now();
    if (Math.abs(nowMs - peer.correctedAtMs) < this.#init.intervalMs) return;
    peer.correctedAtMs = nowMs;
    this.#tell(peer.view.peerId, this.#heartbeats.next(this.#status, { seen: peer.incarnation }));
  }

  /** Tells one peer by itself. */
  #tell(peer: PeerId, bytes: Uint8Array): void {
    unawaited(this.#heartbeats.tell(peer, bytes), this.#components.logger, 'heartbeat not told', {
      peer,
    });
  }

  /** Goes on in a later incarnation when somebody knows this node by a later one than its own. */
  async #pass(seen: number): Promise<void> {
    try {
      const next = await this.#incarnations.pass(seen);
      if (next === undefined || this.#scope === undefined) return;
      this.#heartbeats.begin(next);
      this.#send();
    } catch (error) {
      this.#components.logger.warn({ error: messageOf(error) }, 'incarnation not kept');
    }
  }

  #clockOf(peer: Peer, { time }: Heartbeat): Pick<PeerView, 'clockOffsetMs'> {
    if (time === undefined) return {};
    peer.clockSamples = withSample(peer.clockSamples, time - this.#components.clock.now());
    return { clockOffsetMs: offsetOf(peer.clockSamples) };
  }

  /** A look at all peers, only where there is or was something to tell. */
  #watchClocks(view: PeerView): void {
    if (!isClockApart(view) && !this.#hasClocksApart) return;
    this.#hasClocksApart = watchClocks(this.#components.health, this.peers());
  }

  /** Digests that differ are compared with each heartbeat: a repair that failed is tried again. */
  #compare(view: PeerView, { records, presence }: Heartbeat, before: Presence | undefined): void {
    this.#sync.compare(view.peerId, records);
    const { boards } = presence;
    const isNews = before === undefined || boardsDiffer(boards, before.boards);
    if (isNews || boardsDiffer(boards, this.#components.boards())) {
      this.events.emit('boards', view, boards);
    }
  }

  #connected(peerId: PeerId): void {
    this.#tell(peerId, this.#nextFor(this.#peers.get(peerId)?.view));
    this.#evidence.connected(peerId);
  }

  /** A heartbeat for one peer, which says what that peer is called here. */
  #nextFor(view: PeerView | undefined): Uint8Array {
    return this.#heartbeats.next(this.#status, view === undefined ? {} : { called: view.alias });
  }

  /** As the ticks of control streams have measured them. */
  #noteRoundTrips(): void {
    const { network } = this.#components;
    for (const peerId of network.connected()) {
      const peer = this.#peers.get(peerId);
      const rttMs = network.rttMs(peerId);
      if (peer !== undefined && rttMs !== undefined) this.#peers.update(peer, { rttMs });
    }
  }

  #isMember(peerId: PeerId): boolean {
    return this.#components.ownMesh.hasMember(peerId);
  }
}
