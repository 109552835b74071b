/**
 * The live view of the mesh: sends our heartbeats, hears those of others, and decides who is alive.
 * A peer is suspect when its heartbeats stay away (phi) or its connection is lost, and dead when
 * neither we nor a witness can reach it, or when it stays suspect for too long.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId, Random, Scope } from '../core/index.ts';
import { retiredBy } from '../grants/index.ts';
import type { Succession } from '../grants/index.ts';
import { didFromPeerId, peerIdFromDid } from '../identity/index.ts';
import { createMessageStream } from '../network/index.ts';
import type { Network, PeerStream, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { chooseAlias } from './aliases.ts';
import { createDetector } from './detector.ts';
import type { Detector } from './detector.ts';
import { decodeHeartbeat, encodeHeartbeat } from './heartbeat.ts';
import type { Heartbeat } from './heartbeat.ts';
import { keepPeer, movePeer, readPeers } from './peer-file.ts';
import type { KeptPeer } from './peer-file.ts';
import { createPeerTable } from './peer-table.ts';
import type { Membership, MembershipEvents, PeerState, PeerView, Presence } from './types.ts';
import { createWitnesses } from './witness.ts';
import type { Witnesses } from './witness.ts';
import { RETIRED_HINT, createRecordSync } from '../mesh/index.ts';
import type { MeshBook, RecordSync } from '../mesh/index.ts';

const TOPIC = 'heartbeat';
/** One heartbeat to one peer: when we meet and when we leave, gossip may have no way there. */
const PROTOCOL = '/starling/heartbeat/1';
const MESSAGE_BYTES_MAX = 64 * 1024;
const DIRECT_TIMEOUT_MS = 3000;
const ANNOUNCE_DELAY_MS = 50;
const GOODBYE_MS = 250;
const PROBE_TIMEOUT_MS = 2000;
const PROBE_PAUSE_MS = 1000;
const PROBES = 2;
const WITNESSES = 3;
const PING_TIMEOUT_MS = 5000;
const PEERS_MAX = 10_000;

/** What membership works with. */
export interface MembershipComponents {
  readonly network: Network;
  readonly meshBook: MeshBook;
  /** Where peers are kept. */
  readonly table: Table;
  /** What we say of ourselves, asked for at each heartbeat. */
  readonly presence: () => Presence;
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

interface Peer {
  view: PeerView;
  readonly detector: Detector;
  /** Where it was last. */
  addresses: readonly string[];
  incarnation: number;
  sequence: number;
  suspectAt: number | undefined;
  confirming: boolean;
}

class LiveView implements Membership {
  readonly events = new EventEmitter<MembershipEvents>();
  readonly #components: MembershipComponents;
  readonly #init: MembershipInit;
  readonly #peers = createPeerTable<Peer>();
  readonly #topic: Topic;
  readonly #sync: RecordSync;
  readonly #witnesses: Witnesses;
  #scope: Scope | undefined;
  #incarnation = 0;
  #sequence = 0;
  #lastTickMs = 0;
  #announcing = false;
  /** Told already that we are no member any more. */
  #isEvicted = false;

  constructor(components: MembershipComponents, init: MembershipInit) {
    this.#components = components;
    this.#init = init;
    this.#topic = components.network.topic(TOPIC);
    this.#sync = createRecordSync({ ...components, records: components.meshBook.records() });
    this.#witnesses = createWitnesses(components);
    this.events.setMaxListeners(0);
  }

  peers(): readonly PeerView[] {
    return [...this.#peers.values()]
      .map((peer) => peer.view)
      .sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  peer(peerId: PeerId): PeerView | undefined {
    return this.#peers.get(peerId)?.view;
  }

  byAlias(alias: string): PeerView | undefined {
    return this.#peers.byAlias(alias)?.view;
  }

  resolve(reference: string): PeerView {
    const named = this.byAlias(reference) ?? this.peer(reference as PeerId);
    if (named !== undefined) return named;
    const views = this.peers();
    const found = views.find(
      (view) =>
        view.did === reference ||
        view.formerly?.some((one) => one === reference || didFromPeerId(one) === reference),
    );
    if (found !== undefined) return found;
    const known = views.map((view) => view.alias).join(', ');
    throw new StarlingError(
      'STARLING_PEER_UNKNOWN',
      `no peer is called '${reference.slice(0, 128)}'`,
      {
        hint:
          known === '' ? 'no other peer has been seen yet: starling status' : `known are ${known}`,
      },
    );
  }

  inStep(peerId: PeerId): Promise<void> | undefined {
    return this.#sync.inStep(peerId);
  }

  announce(): void {
    const scope = this.#scope;
    if (scope === undefined || this.#announcing) return;
    this.#announcing = true;
    scope.after(ANNOUNCE_DELAY_MS, () => {
      this.#announcing = false;
      this.#send('up');
    });
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, network, logger, table, meshBook } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'membership task failed'),
    );
    this.#scope = scope;
    this.#incarnation = clock.now();
    this.#lastTickMs = clock.now();
    for (const kept of await readPeers(table, logger)) this.#recall(kept);
    const connected = (peer: PeerId): void => this.#connected(peer);
    const disconnected = (peer: PeerId): void => this.#disconnected(peer);
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => network.events.off('peer:connect', connected));
    scope.add(() => network.events.off('peer:disconnect', disconnected));
    scope.add(this.#topic.subscribe((data, from) => this.#heard(data, from)));
    const { successions } = meshBook;
    const succeeded = ({ claims }: Succession): void => this.#follow(claims.iss);
    successions.events.on('added', succeeded);
    scope.add(() => successions.events.off('added', succeeded));
    scope.add(meshBook.records().onAdded(() => this.#enforce()));
    scope.add(network.handle(PROTOCOL, (stream) => this.#served(stream)));
    this.#sync.start();
    this.#witnesses.start();
    scope.add(() => this.#sync.stop());
    scope.add(() => this.#witnesses.stop());
    scope.every(this.#init.intervalMs, () => void this.#send('up'));
    scope.every(this.#init.intervalMs / 5, () => this.#judge());
    scope.every(this.#init.intervalMs * (1.5 + this.#components.random()), () => this.#pingAll());
    for (const peer of network.connected()) this.#connected(peer);
  }

  async stop(): Promise<void> {
    if (this.#scope === undefined) return;
    const goodbye = this.#send('leaving');
    const connected = this.#components.network.connected();
    await Promise.race([
      Promise.all(connected.map((peer) => this.#tell(peer, goodbye))),
      new Promise<void>((resolve) => {
        this.#components.clock.schedule(GOODBYE_MS, resolve);
      }),
    ]);
    this.#scope.close();
    this.#scope = undefined;
  }

  /** Gossips a heartbeat, and returns its bytes. */
  #send(status: Heartbeat['status']): Uint8Array {
    const { logger } = this.#components;
    const bytes = this.#next(status);
    this.#topic
      .publish(bytes)
      .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'heartbeat not sent'));
    return bytes;
  }

  /** Sends a heartbeat to one connected peer. Never rejects. */
  async #tell(peer: PeerId, bytes: Uint8Array): Promise<void> {
    const { network, logger } = this.#components;
    try {
      const stream = await network.open(peer, PROTOCOL, {
        signal: AbortSignal.timeout(DIRECT_TIMEOUT_MS),
      });
      const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
      channel.send(bytes);
      await channel.close();
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'heartbeat not told');
    }
  }

  #served(stream: PeerStream): void {
    const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    channel.onMessage((bytes) => {
      this.#heard(bytes, stream.peer);
      void channel.close();
    });
  }

  #next(status: Heartbeat['status']): Uint8Array {
    const { meshBook, presence } = this.#components;
    this.#sequence += 1;
    return encodeHeartbeat({
      incarnation: this.#incarnation,
      sequence: this.#sequence,
      status,
      records: meshBook.records().digest(),
      presence: presence(),
    });
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const heartbeat = decodeHeartbeat(data);
    if (heartbeat === undefined || !this.#isMember(from)) {
      this.#components.logger.debug({ peer: from }, 'heartbeat not taken');
      return;
    }
    const now = this.#components.clock.now();
    const known = this.#peers.get(from);
    if (known === undefined && this.#peers.size >= PEERS_MAX) return;
    const peer = known ?? this.#meet(from, heartbeat);
    const isNew = heartbeat.incarnation > peer.incarnation;
    const newer =
      isNew || (heartbeat.incarnation === peer.incarnation && heartbeat.sequence > peer.sequence);
    if (!newer) return;
    peer.incarnation = heartbeat.incarnation;
    peer.sequence = heartbeat.sequence;
    peer.detector.heard(now);
    const left = heartbeat.status === 'leaving';
    const { presence } = heartbeat;
    const moved = presence.addresses.join() !== peer.view.presence?.addresses.join();
    this.#become(peer, left ? 'left' : 'alive', {
      presence,
      lastHeartbeatAt: now,
      startedAt: heartbeat.incarnation,
    });
    if (moved) this.#keep(peer);
    // Whoever has just started has heard nobody yet.
    if (isNew && !left) void this.#tell(from, this.#next('up'));
    if (!left) this.#sync.compare(from, heartbeat.records);
  }

  /** A member that we hear for the first time. */
  #meet(peerId: PeerId, heartbeat: Heartbeat): Peer {
    const { presence, clock } = this.#components;
    const own = presence().name;
    const isTaken = (name: string): boolean =>
      name === own || this.#peers.byAlias(name) !== undefined;
    const peer = this.#newPeer({
      ...this.#identityOf(didFromPeerId(peerId)),
      alias: chooseAlias(heartbeat.presence.name, peerId, isTaken),
      state: 'alive',
      lastHeartbeatAt: clock.now(),
    });
    this.#peers.set(peerId, peer);
    return peer;
  }

  #newPeer(view: PeerView): Peer {
    const now = this.#components.clock.now();
    return {
      view,
      detector: createDetector({ intervalMs: this.#init.intervalMs }, now),
      addresses: [],
      incarnation: 0,
      sequence: 0,
      suspectAt: undefined,
      confirming: false,
    };
  }

  #keep(peer: Peer): void {
    const { network, table, logger } = this.#components;
    const addresses = peer.view.presence?.addresses ?? [];
    peer.addresses = addresses;
    network.keep(peer.view.peerId, addresses);
    const { peerId, alias, lastHeartbeatAt } = peer.view;
    keepPeer(table, { peerId, alias, addresses, lastHeartbeatAt }).catch((error: unknown) =>
      logger.warn({ peer: peerId, error: messageOf(error) }, 'peer not kept'),
    );
  }

  #connected(peerId: PeerId): void {
    void this.#tell(peerId, this.#next('up'));
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    peer.detector.forgive(this.#components.clock.now());
    if (peer.view.state === 'suspect') this.#become(peer, 'alive', {});
    else this.#become(peer, peer.view.state, {});
  }

  #disconnected(peerId: PeerId): void {
    const peer = this.#peers.get(peerId);
    if (peer === undefined) return;
    if (peer.view.state === 'alive') this.#suspect(peer);
    else this.#become(peer, peer.view.state, {});
  }

  #judge(): void {
    const now = this.#components.clock.now();
    // A clock that is set, either way, is no silence of theirs.
    const sinceMs = now - this.#lastTickMs;
    const late = sinceMs > this.#init.intervalMs * 2 || sinceMs < 0;
    this.#lastTickMs = now;
    for (const peer of this.#peers.values()) {
      // We slept, not they.
      if (late) peer.detector.forgive(now);
      const { state } = peer.view;
      if (state === 'alive' && peer.detector.phi(now) > this.#init.phiSuspect) this.#suspect(peer);
      if (state === 'suspect' && late) peer.suspectAt = now;
      if (state === 'suspect' && now - (peer.suspectAt ?? now) > this.#init.deadAfterMs) {
        this.#become(peer, 'dead', {});
      }
    }
  }

  #suspect(peer: Peer): void {
    peer.suspectAt = this.#components.clock.now();
    this.#become(peer, 'suspect', {});
    if (peer.confirming) return;
    peer.confirming = true;
    this.#confirm(peer)
      .catch((error: unknown) =>
        this.#components.logger.error({ error: messageOf(error) }, 'suspicion not confirmed'),
      )
      .finally(() => {
        peer.confirming = false;
      });
  }

  /** Tries to reach a suspect, and asks others: reached or heard means alive, else dead. */
  async #confirm(peer: Peer): Promise<void> {
    const { peerId } = peer.view;
    for (let attempt = 1; this.#isSuspect(peer); attempt += 1) {
      const [reached, witnessed] = await Promise.all([
        this.#reach(peerId),
        this.#witnesses.ask(peerId, this.#pickWitnesses(peerId), PROBE_TIMEOUT_MS),
      ]);
      if (!this.#isSuspect(peer)) return;
      if (reached || witnessed) {
        peer.detector.forgive(this.#components.clock.now());
        this.#become(peer, 'alive', {});
        return;
      }
      if (attempt >= PROBES) {
        this.#become(peer, 'dead', {});
        return;
      }
      await new Promise<void>((resolve) => {
        this.#components.clock.schedule(PROBE_PAUSE_MS, resolve);
      });
    }
  }

  #isSuspect(peer: Peer): boolean {
    return this.#scope !== undefined && peer.view.state === 'suspect';
  }

  async #reach(peerId: PeerId): Promise<boolean> {
    const { network, logger } = this.#components;
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    try {
      await network.dial(peerId, { signal });
      await network.ping(peerId, { signal });
      return true;
    } catch (error) {
      logger.debug({ peer: peerId, error: messageOf(error) }, 'suspect not reached');
      return false;
    }
  }

  #pickWitnesses(suspect: PeerId): readonly PeerId[] {
    const { network, random } = this.#components;
    return network
      .connected()
      .filter((peer) => peer !== suspect)
      .map((peer) => ({ peer, order: random() }))
      .sort((a, b) => a.order - b.order)
      .slice(0, WITNESSES)
      .map(({ peer }) => peer);
  }

  async #pingAll(): Promise<void> {
    const { network, logger } = this.#components;
    for (const peerId of network.connected()) {
      const peer = this.#peers.get(peerId);
      if (peer === undefined) continue;
      try {
        const signal = AbortSignal.timeout(PING_TIMEOUT_MS);
        const rttMs = await network.ping(peerId, { signal });
        this.#become(peer, peer.view.state, { rttMs });
      } catch (error) {
        logger.debug({ peer: peerId, error: messageOf(error) }, 'ping failed');
      }
    }
  }

  /** A peer of the last run. It may have changed its key since, or when we were about to keep that. */
  #recall(kept: KeptPeer): void {
    const { network, meshBook } = this.#components;
    const did = didFromPeerId(kept.peerId);
    const current = meshBook.successions.current(did);
    if (peerIdFromDid(current) === network.self) return;
    if (!this.#isMember(peerIdFromDid(current))) return;
    const { alias, lastHeartbeatAt } = kept;
    const [address] = kept.addresses;
    const peer = this.#newPeer({
      ...this.#identityOf(did),
      alias,
      state: 'dead',
      lastHeartbeatAt,
      ...(address === undefined ? {} : { address }),
    });
    peer.addresses = kept.addresses;
    this.#peers.set(kept.peerId, peer);
    if (current === did) network.keep(kept.peerId, kept.addresses);
    else this.#move(did, current);
  }

  /** The key in use of whoever has `did`, or had it. */
  #identityOf(did: Did): Pick<PeerView, 'peerId' | 'did' | 'formerly'> {
    const { successions } = this.#components.meshBook;
    const current = successions.current(did);
    const formerly = successions.lineage(current).slice(1).map(peerIdFromDid);
    const own = { peerId: peerIdFromDid(current), did: current };
    return formerly.length === 0 ? own : { ...own, formerly };
  }

  /** A key was retired: its peer goes on under the new one, and memberships are issued anew. */
  #follow(did: Did): void {
    const { meshBook, logger } = this.#components;
    this.#move(did, meshBook.successions.current(did));
    meshBook
      .reissue()
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'memberships not issued anew for a new key'),
      );
  }

  /** What we know of the peer `old`, its name above all, is of `current` from now on. */
  #move(old: Did, current: Did): void {
    const { network, table, logger } = this.#components;
    const [oldId, peerId] = [peerIdFromDid(old), peerIdFromDid(current)];
    const before = this.#peers.get(oldId);
    network
      .disconnect(oldId, `its key is retired: ${peerId} took its place`)
      .catch((error: unknown) =>
        logger.warn({ peer: oldId, error: messageOf(error) }, 'peer not disconnected'),
      );
    if (before === undefined || peerId === network.self) return;
    const { alias, lastHeartbeatAt } = before.view;
    const identity = this.#identityOf(current);
    const known = this.#peers.get(peerId);
    const was = known?.view;
    const peer = known ?? this.#newPeer({ ...identity, alias, state: 'left', lastHeartbeatAt });
    peer.view = { ...peer.view, ...identity, alias };
    if (known === undefined) {
      peer.addresses = before.addresses.map((one) => withoutPeer(one, oldId));
      network.keep(peerId, peer.addresses);
    }
    this.#peers.delete(oldId);
    this.#peers.set(peerId, peer);
    movePeer(table, oldId, { peerId, alias, addresses: peer.addresses, lastHeartbeatAt }).catch(
      (error: unknown) =>
        logger.warn({ peer: peerId, error: messageOf(error) }, 'new key of a peer not kept'),
    );
    this.events.emit('change', { ...before.view, state: 'left' }, before.view);
    this.events.emit('change', peer.view, was);
  }

  /** Puts out whoever is no member any more; us as well. */
  #enforce(): void {
    const { network, meshBook, logger } = this.#components;
    for (const { view } of this.#peers.values()) {
      if (this.#isMember(view.peerId)) continue;
      this.#peers.delete(view.peerId);
      this.events.emit('change', { ...view, state: 'left' }, view);
      network
        .disconnect(view.peerId, 'membership revoked')
        .catch((error: unknown) =>
          logger.warn({ peer: view.peerId, error: messageOf(error) }, 'peer not disconnected'),
        );
    }
    const wasEvicted = this.#isEvicted;
    this.#isEvicted = !meshBook.isMember();
    if (!this.#isEvicted || wasEvicted) return;
    const retired = retiredBy(didFromPeerId(network.self), meshBook.successions);
    if (retired === undefined) {
      const hint = 'ask a member for a new ticket, and start with: starling up --join <ticket>';
      this.events.emit('evicted', 'the membership of this node was revoked', hint);
    } else this.events.emit('evicted', retired.text, RETIRED_HINT);
  }

  #isMember(peerId: PeerId): boolean {
    return this.#components.meshBook.admission.isMember(peerId);
  }

  #become(peer: Peer, state: PeerState, more: Partial<PeerView>): void {
    const before = peer.view;
    const { peerId } = before;
    const route = this.#components.network.route(peerId);
    const { route: _, ...rest } = { ...before, ...more };
    const address = route?.address ?? rest.presence?.addresses[0] ?? before.address;
    peer.view = {
      ...rest,
      state,
      ...(route === undefined ? {} : { route: route.kind }),
      ...(address === undefined ? {} : { address }),
    };
    if (state !== 'suspect') peer.suspectAt = undefined;
    this.events.emit('change', peer.view, before);
  }
}

/** `address` without its last part, when that names `peer`. */
function withoutPeer(address: string, peer: PeerId): string {
  const end = `/p2p/${peer}`;
  return address.endsWith(end) ? address.slice(0, -end.length) : address;
}
