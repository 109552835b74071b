/**
 * The model: a mesh as events. Nodes die, their links fall silent, watchers probe and tell, floods go round by the
 * links; what goes on all the time at every node alike (ticks, heartbeats, rosters) is counted, and of heartbeats
 * some are followed copy by copy. The same seed gives the same figures.
 */
import { createChance } from '../random.ts';
import type { Chance } from '../random.ts';
import type { LinkShape } from '../schema.ts';
import { createGossipMesh, createOverlay } from './overlay.ts';
import type { Overlay } from './overlay.ts';
import { accusersNeeded, heartbeatEveryMs, suspicionMs } from './parameters.ts';
import type { Costs, Protocol } from './parameters.ts';
import { createRouting } from './routing.ts';
import { Wheel } from './wheel.ts';

/** What is simulated. */
export interface ModelInit {
  readonly nodes: number;
  readonly seed: number;
  /** Simulated time. */
  readonly durationMs: number;
  readonly protocol: Protocol;
  readonly costs: Costs;
  readonly link: LinkShape;
  /** Deaths, at which time; `isSilent`: by a cut, so that no connection breaks. */
  readonly deaths: readonly {
    readonly atMs: number;
    readonly node: number;
    readonly isSilent: boolean;
  }[];
  readonly lookups: readonly { readonly atMs: number; readonly from: number }[];
  /** Heartbeats that are followed copy by copy. */
  readonly followed: number;
  readonly tell?: (nowMs: number, events: number) => void;
}

/** What came of it. Times are ms, costs a node and second. */
export interface ModelResult {
  readonly links: number;
  readonly events: number;
  /** From the death of a node until others know it dead: the first, half of them, all who ever do. */
  readonly deadFirstMs: number;
  readonly deadHalfMs: number;
  readonly deadAllMs: number;
  /** The same of those that are killed, whose connections break, and of those that are cut off. */
  readonly killedDeadAllMs: number;
  readonly cutDeadAllMs: number;
  /** Until all suspect it. */
  readonly missedAllMs: number;
  /** Share of the living that know a death at the end of the time, the least of all deaths. */
  readonly deadKnownShare: number;
  /** A heartbeat: until half and all have it, and copies that come to a node. */
  readonly floodHalfMs: number;
  readonly floodAllMs: number;
  readonly floodReach: number;
  readonly copies: number;
  readonly kilobytesPerSecond: number;
  readonly cpuShare: number;
  readonly messagesPerSecond: number;
  readonly lookupRounds: number;
  readonly lookupQuestions: number;
  readonly lookupFoundShare: number;
  readonly lookupMs: number;
  /** Living nodes of whom somebody ever said that they are dead. */
  readonly falseDeaths: number;
}

/** Kinds of events, and what their two numbers are. */
const DIE = 0;
/** A watcher has missed a node: watcher, death. */
const MISSED = 1;
/** Its probes were in vain, or enough others say the same: watcher, death. */
const PROBED = 2;
/** A copy comes to a node: node, flood and link. */
const FLOOD = 3;
const BEAT = 4;
const LOOKUP = 5;
/** Links of gossip's mesh that the number of an event has room for. */
const WAYS = 16;
/** The link of who begins. */
const NO_WAY = 15;

/** Runs the model. */
export function simulate(init: ModelInit): ModelResult {
  return new Model(init).run();
}

interface Flood {
  readonly seen: Uint8Array;
  readonly beganMs: number;
  /** Nodes that were there when it began. */
  readonly alive: number;
  /** Number of the death that it tells of; -1 for a heartbeat. */
  readonly death: number;
  reached: number;
  halfMs: number;
  allMs: number;
  copies: number;
}

interface Death {
  readonly node: number;
  readonly atMs: number;
  readonly missed: number[];
  /** Those who have missed it, in that order, and when they have enough of each other's word. */
  readonly watchers: number[];
  sureAtMs: number;
  readonly sure: Set<number>;
  readonly known: number[];
  firstMs: number;
  halfMs: number;
}

class Model {
  readonly #init: ModelInit;
  readonly #chance: Chance;
  readonly #overlay: Overlay;
  readonly #gossip: Overlay;
  readonly #wheel: Wheel;
  readonly #isDown: Uint8Array;
  readonly #floods: Flood[] = [];
  readonly #deaths: Death[] = [];
  readonly #lookups: { rounds: number; questions: number; ms: number; isFound: boolean }[] = [];
  readonly #routing;
  #questions = 0;
  #down = 0;

  constructor(init: ModelInit) {
    const { nodes, protocol, seed, durationMs } = init;
    this.#init = init;
    this.#chance = createChance(seed);
    this.#overlay = createOverlay(nodes, protocol, this.#chance);
    this.#gossip = createGossipMesh(nodes, protocol.gossipDegree, this.#chance);
    this.#wheel = new Wheel(durationMs, Math.max(1024, Math.min(nodes * 2, 1 << 22)));
    this.#isDown = new Uint8Array(nodes);
    this.#routing = createRouting(
      init.lookups.length === 0 ? 1 : nodes,
      protocol.dhtK,
      protocol.dhtAlpha,
      this.#chance,
    );
  }

  run(): ModelResult {
    const { deaths, lookups, followed, nodes, durationMs, tell } = this.#init;
    for (const [at, { atMs, isSilent }] of deaths.entries()) {
      this.#wheel.add(atMs, DIE, at, isSilent ? 1 : 0);
    }
    for (const { atMs, from } of lookups) this.#wheel.add(atMs, LOOKUP, from, 0);
    for (let at = 0; at < followed; at += 1) {
      this.#wheel.add(
        ((at + 0.5) / followed) * durationMs * 0.8,
        BEAT,
        this.#chance.below(nodes),
        0,
      );
    }
    this.#wheel.run(
      (kind, a, b) => this.#do(kind, a, b),
      (nowMs) => tell?.(nowMs, this.#wheel.done),
    );
    return this.#result();
  }

  #do(kind: number, a: number, b: number): void {
    switch (kind) {
      case DIE:
        this.#die(a, b === 1);
        return;
      case MISSED:
        this.#missed(a, b);
        return;
      case PROBED:
        this.#knows(a, b);
        return;
      case FLOOD:
        this.#flood(a, Math.floor(b / WAYS), b % WAYS);
        return;
      case BEAT:
        if (this.#isDown[a] === 0) this.#begin(a, -1);
        return;
      default:
        this.#lookup(a);
    }
  }

  /** One way over a link: a lost packet comes again as TCP sends it, each time twice as late. */
  #delayMs(): number {
    const { delay = 0, jitter = 0, loss = 0 } = this.#init.link;
    let ms = delay + (jitter === 0 ? 0 : this.#chance.next() * jitter);
    if (loss === 0) return ms;
    for (let waitMs = 200 + 2 * delay; this.#chance.next() < loss; waitMs *= 2) ms += waitMs;
    return ms;
  }

  #die(number: number, isSilent: boolean): void {
    const { deaths, protocol } = this.#init;
    const death = deaths[number];
    if (death === undefined) return;
    const { node } = death;
    this.#isDown[node] = 1;
    this.#down += 1;
    this.#deaths[number] = {
      node,
      atMs: this.#wheel.nowMs,
      missed: [],
      watchers: [],
      sureAtMs: Number.NaN,
      sure: new Set(),
      known: [],
      firstMs: Number.NaN,
      halfMs: Number.NaN,
    };
    const { links } = this.#overlay;
    for (let which = 0; which < links; which += 1) {
      const watcher = this.#overlay.neighbour(node, which);
      if (this.#isDown[watcher] === 1) continue;
      this.#wheel.add(
        isSilent ? this.#silenceMs(protocol) : this.#delayMs(),
        MISSED,
        watcher,
        number,
      );
    }
  }

  /** From a cut until a watcher looks and finds φ of the ticks over its limit. */
  #silenceMs({ tickMs, phiIntervals, lookMs }: Protocol): number {
    // The last answer came at some time of the last tick.
    return (phiIntervals - this.#chance.next()) * tickMs + this.#chance.next() * lookMs;
  }

  #missed(watcher: number, number: number): void {
    const { protocol } = this.#init;
    const death = this.#deaths[number];
    if (death === undefined || this.#isDown[watcher] === 1) return;
    const sinceMs = this.#wheel.nowMs - death.atMs;
    death.missed.push(sinceMs);
    death.watchers.push(watcher);
    // Each accuses it in a heartbeat; the one that makes enough of them is followed.
    if (death.missed.length === accusersNeeded(this.#overlay.links)) this.#begin(watcher, number);
    const { probes, probeTimeoutMs, probePauseMs } = protocol;
    // A probe lasts as long as it may, also where a dial is refused: the ways over relays are tried then.
    const probedMs = probes * probeTimeoutMs + (probes - 1) * probePauseMs;
    this.#wheel.add(probedMs, PROBED, watcher, number);
    this.#confirm(watcher, number, death);
  }

  /** Who has seen for itself believes the others as well: enough of them besides itself, for long enough. */
  #confirm(watcher: number, number: number, death: Death): void {
    const { nodes, protocol } = this.#init;
    const needed = accusersNeeded(this.#overlay.links - 1) + 1;
    if (death.missed.length < needed) return;
    if (death.missed.length === needed) {
      death.sureAtMs = this.#wheel.nowMs + protocol.announceMs + suspicionMs(nodes, protocol);
    }
    for (const one of death.missed.length === needed ? death.watchers : [watcher]) {
      const lookMs = this.#chance.next() * protocol.lookMs;
      const inMs = Math.max(0, death.sureAtMs - this.#wheel.nowMs) + lookMs;
      this.#wheel.add(inMs, PROBED, one, number);
    }
  }

  /** A watcher knows it dead, if it did not before. */
  #knows(watcher: number, number: number): void {
    const death = this.#deaths[number];
    if (death === undefined || this.#isDown[watcher] === 1 || death.sure.has(watcher)) return;
    death.sure.add(watcher);
    const sinceMs = this.#wheel.nowMs - death.atMs;
    if (Number.isNaN(death.firstMs)) death.firstMs = sinceMs;
    death.known.push(sinceMs);
  }

  #begin(node: number, death: number): void {
    const number = this.#floods.length;
    this.#floods.push({
      seen: new Uint8Array(this.#init.nodes),
      beganMs: this.#wheel.nowMs,
      alive: this.#init.nodes - this.#down,
      death,
      reached: 0,
      halfMs: Number.NaN,
      allMs: Number.NaN,
      copies: 0,
    });
    this.#flood(node, number, NO_WAY);
  }

  /** A copy comes to a node over a link; the first one goes on over all others of gossip's mesh. */
  #flood(node: number, number: number, came: number): void {
    const flood = this.#floods[number];
    if (flood === undefined || this.#isDown[node] === 1) return;
    flood.copies += 1;
    if (flood.seen[node] === 1) return;
    flood.seen[node] = 1;
    flood.reached += 1;
    const sinceMs = this.#wheel.nowMs - flood.beganMs;
    if (flood.reached * 2 >= flood.alive && Number.isNaN(flood.halfMs)) flood.halfMs = sinceMs;
    flood.allMs = sinceMs;
    const { links } = this.#gossip;
    // Links stand in pairs: what goes forth by one comes by the other.
    const back = came ^ 1;
    for (let way = 0; way < links; way += 1) {
      if (way === back && came !== NO_WAY) continue;
      const to = this.#gossip.neighbour(node, way);
      if (to === node || this.#isDown[to] === 1 || !this.#isMeshed(node, to, way)) continue;
      // A copy to who has it already changes nothing when it comes.
      if (flood.seen[to] === 1) flood.copies += 1;
      else this.#wheel.add(this.#delayMs() + HANDLING_MS, FLOOD, to, number * WAYS + way);
    }
  }

  /** Of the last ring only as many links belong to gossip's mesh as its degree is over the rings before. */
  #isMeshed(node: number, to: number, way: number): boolean {
    const { links } = this.#gossip;
    const { gossipDegree } = this.#init.protocol;
    if (way < links - 2 || gossipDegree >= links) return true;
    const [low, high] = node < to ? [node, to] : [to, node];
    const mixed = Math.imul(Math.imul(low + 1, 0x9e3779b1) ^ (high + 1), 0x85ebca6b) >>> 8;
    return mixed / 2 ** 24 < (gossipDegree - (links - 2)) / 2;
  }

  #lookup(from: number): void {
    const { nodes } = this.#init;
    if (this.#isDown[from] === 1) return;
    const found = this.#routing.lookup(
      from % nodes,
      (node) => this.#isDown[node] === 0,
      this.#chance,
    );
    let ms = 0;
    for (let round = 0; round < found.rounds; round += 1) ms += 2 * this.#delayMs() + HANDLING_MS;
    this.#questions += found.questions;
    this.#lookups.push({ ...found, ms: ms + found.unanswered * 1000 });
  }

  #result(): ModelResult {
    const { nodes, durationMs, protocol, costs } = this.#init;
    for (const flood of this.#floods.filter(({ death }) => death >= 0)) {
      const death = this.#deaths[flood.death];
      if (death === undefined) continue;
      if (this.#overlay.links >= nodes - 1) continue;
      const { announceMs, lookMs } = protocol;
      const sureMs = flood.beganMs - death.atMs + announceMs + suspicionMs(nodes, protocol);
      death.halfMs = sureMs + flood.halfMs + lookMs / 2;
      // Of many who look, the last looks so late.
      death.known.push(sureMs + flood.allMs + lookMs);
    }
    const beats = this.#floods.filter(
      ({ death, beganMs }) => death === -1 && beganMs < durationMs * 0.9,
    );
    const copies = mean(beats.map((flood) => (flood.copies - 1) / Math.max(1, flood.reached - 1)));
    const perSecond = nodes / (heartbeatEveryMs(nodes, protocol) / 1000);
    const ticks = (this.#overlay.links * 1000) / protocol.tickMs / 2;
    const roster = (2 * 1000) / protocol.rosterMs;
    const questions = (this.#questions / nodes / durationMs) * 1000;
    const alive = nodes - this.#deaths.length;
    const known = this.#deaths.map((death) => this.#knownShare(death, alive));
    return {
      links: this.#overlay.links,
      events: this.#wheel.done,
      deadFirstMs: mean(this.#deaths.map(({ firstMs }) => firstMs)),
      deadHalfMs: mean(
        this.#deaths.map(({ known: at, halfMs }) => (Number.isNaN(halfMs) ? middle(at) : halfMs)),
      ),
      deadAllMs: mean(this.#deaths.map(({ known: at }) => most(at))),
      killedDeadAllMs: mean(this.#deadAll(false)),
      cutDeadAllMs: mean(this.#deadAll(true)),
      missedAllMs: mean(this.#deaths.map(({ missed }) => most(missed))),
      deadKnownShare: known.length === 0 ? 1 : Math.min(...known),
      floodHalfMs: mean(beats.map(({ halfMs }) => halfMs)),
      floodAllMs: mean(beats.map(({ allMs }) => allMs)),
      floodReach: mean(beats.map(({ reached, alive: all }) => reached / all)),
      copies,
      kilobytesPerSecond:
        (costs.aloneBytes +
          ticks * costs.tickBytes +
          perSecond * copies * costs.copyBytes +
          roster * protocol.rosterBytes +
          questions * costs.questionBytes) /
        1000,
      cpuShare:
        (costs.aloneCpuMs +
          ticks * costs.tickCpuMs +
          perSecond * copies * costs.copyCpuMs +
          questions * costs.questionCpuMs) /
        1000,
      messagesPerSecond: ticks * 2 + perSecond * copies + questions * 2,
      lookupRounds: mean(this.#lookups.map(({ rounds }) => rounds)),
      lookupQuestions: mean(this.#lookups.map(({ questions: asked }) => asked)),
      lookupFoundShare: mean(this.#lookups.map(({ isFound }) => (isFound ? 1 : 0))),
      lookupMs: mean(this.#lookups.map(({ ms }) => ms)),
      falseDeaths: 0,
    };
  }

  #deadAll(isSilent: boolean): readonly number[] {
    const { deaths } = this.#init;
    return this.#deaths
      .filter((_, at) => deaths[at]?.isSilent === isSilent)
      .map(({ known }) => most(known));
  }

  #knownShare(death: Death, alive: number): number {
    if (this.#overlay.links >= this.#init.nodes - 1) return death.known.length / alive;
    const flood = this.#floods.find((one) => this.#deaths[one.death] === death);
    return (flood?.reached ?? 0) / alive;
  }
}

/** What a node takes to read a message and pass it on. */
const HANDLING_MS = 1;

function mean(values: readonly number[]): number {
  return values.length === 0
    ? Number.NaN
    : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function most(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((a, b) => Math.max(a, b));
}
