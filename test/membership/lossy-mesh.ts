/**
 * Live views of a mesh whose links lose packets as TCP shows it: what is lost comes later, and what follows waits for
 * it. On one virtual clock, by the chance of a seed: the same seed runs the same.
 */
import { EventEmitter } from 'node:events';
import type { PeerId } from '../../src/core/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import type { Membership, PeerState } from '../../src/membership/index.ts';
import { decodeGossip, encodeHeartbeat } from '../../src/membership/heartbeats/heartbeat-format.ts';
import type { Accusation } from '../../src/membership/detection/accusations.ts';
import { createNeighbourChoice } from '../../src/membership/neighbours.ts';
import type { FrameListener, Network, NetworkEvents } from '../../src/network/types.ts';
import { createSeededScheduler } from '../../sim/seeded-scheduler.ts';
import type { SeededScheduler } from '../../sim/seeded-scheduler.ts';
import { decode, encode } from 'cborg';
import { calm } from '../blackboard/hub.ts';
import { createView } from './arrange.ts';

/** Retransmissions wait for 200 ms, then twice as long each time (RFC 6298 as Linux has it); the first packet 1 s. */
const RTO_MS = 200;
const FIRST_RTO_MS = 1000;
/** Between hosts of a network at one place. */
const WAY_MS = 1;
const TICK_MS = 1000;
/** Copies of gossip at once, and to one more peer a second later. */
const COPIES = 3;
const LAZY_MS = 1000;
/** Within this a view that is stopped has ended: goodbyes wait for answers no longer. */
const STOPPING_MS = 2000;
/** Promises run on after so much of the virtual time. */
const STEP_MS = 5;

/** A change that one node saw of another. */
export interface Seen {
  readonly atMs: number;
  readonly by: PeerId;
  readonly whom: PeerId;
  readonly state: PeerState;
}

type Listener = (data: Uint8Array, from: PeerId) => void;

interface Node {
  readonly id: PeerId;
  readonly identity: Identity;
  readonly events: EventEmitter<NetworkEvents>;
  readonly frames: Map<string, FrameListener>;
  readonly topics: Map<string, Listener>;
  readonly links: Set<PeerId>;
  readonly heard: Set<string>;
  /** When the last that went to a peer arrives there: what follows comes no sooner. */
  readonly arrivals: Map<PeerId, number>;
  state: 'up' | 'killed' | 'silent';
  /** It links to whomever it would keep; the others have the links that they were given. */
  isJoining: boolean;
  isLiar: boolean;
  view?: Membership;
}

interface Deadline {
  readonly signal: AbortSignal;
}

/** The nodes of one seed. */
export class LossyMesh {
  readonly seen: Seen[] = [];
  readonly #time: SeededScheduler;
  readonly #loss: number;
  readonly #nodes = new Map<PeerId, Node>();
  /** What each has said last: who lies says to have heard just that. */
  readonly #said = new Map<PeerId, Accusation>();
  #messages = 0;

  constructor(seed: number, init: { readonly nodes: number; readonly loss: number }) {
    this.#time = createSeededScheduler(seed);
    this.#loss = init.loss;
    for (let at = 0; at < init.nodes; at += 1) this.#add();
  }

  get ids(): readonly PeerId[] {
    return [...this.#nodes.keys()];
  }

  now(): number {
    return this.#time.now();
  }

  /** Starts all, linked as they would choose it; the last one, which came a moment ago, to `linksOfLast` alone. */
  async start(linksOfLast = Infinity): Promise<void> {
    const choice = createNeighbourChoice();
    for (const node of this.#nodes.values()) {
      for (const peer of choice.of(node.id, this.ids)) node.links.add(peer);
    }
    for (const node of this.#nodes.values()) {
      for (const peer of node.links) this.#nodes.get(peer)?.links.add(node.id);
    }
    const last = this.#node(this.ids.at(-1) ?? ('' as PeerId));
    for (const peer of [...last.links].slice(linksOfLast)) {
      last.links.delete(peer);
      this.#node(peer).links.delete(last.id);
    }
    for (const node of this.#nodes.values()) await this.#begin(node);
  }

  /** One more starts, with a link to `via`; it makes its other links itself, as a node does. */
  async join(via: PeerId): Promise<PeerId> {
    const node = this.#add();
    node.isJoining = true;
    await this.#begin(node);
    this.#keep(node, via);
    return node.id;
  }

  /** From now on it accuses everybody, each second, and says of everybody to have just reached them. */
  lie(id: PeerId): void {
    const node = this.#node(id);
    node.isLiar = true;
    const speak = (): void => {
      if (node.state !== 'up') return;
      node.view?.announce();
      this.#time.schedule(TICK_MS, speak);
    };
    speak();
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.#time.run(STEP_MS);
      await calm(1);
    }
  }

  /** Its process ends: the system says so to the other ends of its connections. */
  kill(id: PeerId): void {
    const node = this.#node(id);
    for (const peer of node.links) {
      this.#arrives(node, peer, () => this.#lose(this.#node(peer), id));
    }
    node.state = 'killed';
    void node.view?.stop();
  }

  /** Nothing leaves it or comes to it any more. */
  silence(id: PeerId): void {
    this.#node(id).state = 'silent';
  }

  async stop(): Promise<void> {
    const running = [...this.#nodes.values()].filter(({ state }) => state !== 'killed');
    const stopped = running.map(async (node) => node.view?.stop());
    // Nobody says anything more, and what waits for the clock comes to its end.
    for (const node of running) node.state = 'killed';
    await this.run(STOPPING_MS);
    await Promise.all(stopped);
  }

  #add(): Node {
    const node = emptyNode(createIdentity(Buffer.alloc(32, this.#nodes.size + 1)));
    this.#nodes.set(node.id, node);
    return node;
  }

  async #begin(node: Node): Promise<void> {
    node.view = this.#viewOf(node);
    await node.view.start();
    this.#tick(node);
  }

  #node(id: PeerId): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** How late a packet is that is sent until it comes through. */
  #lateMs(rtoMs: number): number {
    const { chance } = this.#time;
    let lateMs = WAY_MS;
    for (let wait = rtoMs; chance.next() < this.#loss; wait *= 2) lateMs += wait;
    return lateMs;
  }

  /** Calls `work` when the next thing that `from` says to `to` has come there, in order. */
  #arrives(from: Node, to: PeerId, work: () => void): void {
    const dueMs = Math.max(this.now() + this.#lateMs(RTO_MS), from.arrivals.get(to) ?? 0);
    from.arrivals.set(to, dueMs);
    this.#time.schedule(dueMs - this.now(), () => {
      if (this.#node(to).state === 'up') work();
    });
  }

  #say(from: Node, to: PeerId, work: () => void): boolean {
    if (from.state !== 'up' || !from.links.has(to)) return false;
    this.#arrives(from, to, () => {
      if (this.#node(to).links.has(from.id)) work();
    });
    return true;
  }

  #keep(node: Node, peer: PeerId): void {
    const isAsked = node.isJoining || this.#node(peer).isJoining;
    if (isAsked) this.#dial(node, peer).catch(() => undefined);
  }

  /** What a node says; of one that lies, with an accusation of everybody else. */
  #words(node: Node, data: Uint8Array): Uint8Array {
    const said = decodeGossip(data);
    const { incarnation, sequence } =
      said === undefined ? {} : 'pulse' in said ? said.pulse : said.heartbeat;
    if (incarnation !== undefined && sequence !== undefined)
      this.#said.set(node.id, { peer: node.id, incarnation, sequence });
    if (!node.isLiar || said === undefined || 'pulse' in said) return data;
    const suspects = [...this.#said.values()].filter(({ peer }) => peer !== node.id);
    const sign = (message: Uint8Array): Uint8Array => node.identity.signOften(message);
    return encodeHeartbeat({ ...said.heartbeat, suspects }, { sign });
  }

  #frame(node: Node, kind: string, payload: Uint8Array): Uint8Array {
    if (kind === 'heartbeat') return this.#words(node, payload);
    if (!node.isLiar || kind !== 'probed') return payload;
    return encode({ ...(decode(payload) as object), connected: true });
  }

  #lose(node: Node, peer: PeerId): void {
    if (node.links.delete(peer)) node.events.emit('peer:disconnect', peer, false);
  }

  #tick(node: Node): void {
    if (node.state !== 'up') return;
    for (const peer of node.links) {
      if (node.id < peer) this.#say(node, peer, () => this.#sign(this.#node(peer), node.id, true));
    }
    this.#time.schedule(TICK_MS, () => this.#tick(node));
  }

  #sign(node: Node, from: PeerId, isTick: boolean): void {
    node.events.emit('peer:sign', from);
    if (isTick) this.#say(node, from, () => this.#sign(this.#node(from), node.id, false));
  }

  #gossip(node: Node, topic: string, message: { id: string; data: Uint8Array; by: PeerId }): void {
    if (node.state !== 'up' || node.heard.has(message.id)) return;
    node.heard.add(message.id);
    if (message.by !== node.id) node.topics.get(topic)?.(message.data, message.by);
    const pass = (copies: number): void => {
      for (const peer of this.#some(node.links, copies)) {
        this.#say(node, peer, () => this.#gossip(this.#node(peer), topic, message));
      }
    };
    pass(COPIES);
    this.#time.schedule(LAZY_MS, () => pass(1));
  }

  #some(peers: Iterable<PeerId>, count: number): readonly PeerId[] {
    return [...peers]
      .map((peer) => ({ peer, order: this.#time.chance.next() }))
      .toSorted((a, b) => a.order - b.order)
      .slice(0, count)
      .map(({ peer }) => peer);
  }

  #viewOf(node: Node): Membership {
    const view = createView({
      network: this.#networkOf(node),
      identity: { sign: (message) => node.identity.signOften(message) },
      clock: this.#time,
      name: () => `n${this.ids.indexOf(node.id)}`,
    });
    view.events.on('change', ({ peerId, state }, before) => {
      if (before?.state === state) return;
      this.seen.push({ atMs: this.now(), by: node.id, whom: peerId, state });
    });
    return view;
  }

  #networkOf(node: Node): Network {
    const nothing = (): void => undefined;
    const part = {
      self: node.id,
      events: node.events,
      connected: () => [...node.links],
      isConnected: (peer: PeerId) => node.links.has(peer),
      route: nothing,
      rttMs: nothing,
      report: nothing,
      keep: (peer: PeerId) => this.#keep(node, peer),
      know: nothing,
      unkeep: nothing,
      disconnect: async () => undefined,
      onFrame(kind: string, hear: FrameListener) {
        node.frames.set(kind, hear);
        return () => node.frames.delete(kind);
      },
      sendFrame: async (peer: PeerId, kind: string, payload: Uint8Array) => {
        const bytes = this.#frame(node, kind, payload);
        return this.#say(node, peer, () => {
          const to = this.#node(peer);
          to.events.emit('peer:sign', node.id);
          to.frames.get(kind)?.(bytes, node.id);
        });
      },
      handle: () => nothing,
      dial: (peer: PeerId, { signal }: Deadline) => orAborted(signal, this.#dial(node, peer)),
      ping: (peer: PeerId, { signal }: Deadline) => orAborted(signal, this.#ping(node, peer)),
      topic: (name: string) => ({
        publish: async (data: Uint8Array) => {
          this.#messages += 1;
          const words = this.#words(node, data);
          this.#gossip(node, name, { id: String(this.#messages), data: words, by: node.id });
        },
        subscribe: (listener: Listener) => {
          node.topics.set(name, listener);
          return () => node.topics.delete(name);
        },
      }),
    };
    return part as unknown as Network;
  }

  /** Whoever is silent never answers; whose process has ended is refused by its host. */
  #dial(node: Node, peer: PeerId): Promise<PeerId> {
    return new Promise((resolve, reject) => {
      const to = this.#node(peer);
      if (node.links.has(peer)) resolve(peer);
      const lateMs = this.#lateMs(FIRST_RTO_MS) + this.#lateMs(RTO_MS);
      this.#time.schedule(lateMs, () => {
        if (to.state === 'killed') reject(new Error('refused'));
        if (to.state !== 'up' || node.state !== 'up') return;
        for (const [one, other] of [
          [node, to],
          [to, node],
        ] as const) {
          one.links.add(other.id);
          one.events.emit('peer:connect', other.id);
        }
        resolve(peer);
      });
    });
  }

  #ping(node: Node, peer: PeerId): Promise<number> {
    return new Promise((resolve, reject) => {
      const isSaid = this.#say(node, peer, () =>
        this.#say(this.#node(peer), node.id, () => resolve(1)),
      );
      if (!isSaid) reject(new Error('not connected'));
    });
  }
}

/** What `answer` gives, or the end of the wait. */
function orAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('timed out')));
    answer.then(resolve, reject);
  });
}

function emptyNode(identity: Identity): Node {
  const collections = { links: new Set<PeerId>(), heard: new Set<string>(), arrivals: new Map() };
  return {
    id: identity.peerId,
    identity,
    isJoining: false,
    isLiar: false,
    events: new EventEmitter(),
    frames: new Map(),
    topics: new Map(),
    ...collections,
    state: 'up',
  };
}
