/** Nodes with agents whose roads are function calls, on a clock that a test moves. */
import { EventEmitter } from 'node:events';
import { agentTools, createAgents, eventTools } from '../../src/agents/index.ts';
import type { Agents, AgentsComponents } from '../../src/agents/index.ts';
import type { Board, BoardEntry } from '../../src/blackboard/index.ts';
import type { BuiltinTool } from '../../src/gateway/index.ts';
import { StarlingError, silentLogger } from '../../src/core/index.ts';
import type { Clock, Did, JsonObject, PeerId } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import type { Topic } from '../../src/network/types.ts';
import type { MembershipEvents, PeerView } from '../../src/membership/types.ts';
import { createMachineClock } from '../core/machine-clock.ts';
import type { MachineClock } from '../core/machine-clock.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** One node. */
export interface TestNode {
  readonly name: string;
  readonly agents: Agents;
  readonly rows: Map<string, Uint8Array>;
  /** What peers may write to here: `<peer> agent:<name>`. */
  readonly grants: Set<string>;
  /** Clients here that may write to nobody. */
  readonly keptOut: Set<string>;
  /** Messages and lists that peers have asked of this node. */
  asked: string[];
  /** All that peers have sent here, and that was answered to them. */
  readonly carried: string[];
  isAway: boolean;
  /** Tools of other rooms. */
  readonly more: BuiltinTool[];
  /** What its rooms stand on. */
  readonly rooms: Pick<AgentsComponents, 'self' | 'membership' | 'callPeer' | 'random'>;
  /** Where it tells what is for all. */
  readonly topic: Topic;
  /** Where it keeps events; undefined: nowhere. */
  eventsBoard: { readonly board: string; readonly keepMs: number } | undefined;
  /** The next so many answers to peers are lost. */
  losesAnswers: number;
  /** By which it lives; asleep, it does nothing, and what peers ask of it waits. */
  readonly clock: MachineClock;
  call<T = JsonObject>(
    principal: Principal,
    tool: string,
    args: JsonObject,
    signal?: AbortSignal,
  ): Promise<T>;
  /** Ends, and starts again with what is on the disk. */
  restart(): Promise<void>;
}

/** Nodes that know one another. */
export interface TestWorld {
  readonly clock: TestClock;
  readonly nodes: Readonly<Record<string, TestNode>>;
  /** Says to all that a node is there or away. */
  away(name: string, isAway: boolean): void;
  /**
   * The machine of a node falls asleep, which nobody hears, or wakes up; see {@link MachineClock.wake}. Calls that it got
   * meanwhile are served then, whether or not somebody still waits.
   */
  sleeps(name: string): void;
  wakes(name: string, how: { readonly late: boolean }): Promise<void>;
  /** Nodes of one side do not reach those of the other, and say that these are dead; no sides: all are together again. */
  part(...sides: readonly (readonly string[])[]): void;
  /** What is on the one board, which all nodes hold. */
  readonly board: Map<string, BoardEntry>;
  stop(): Promise<void>;
}

export const OPERATES = OPERATOR;
/** A program that the person has named. */
export const client = (name: string): Principal => attachedClient(name);

/** Makes and starts the nodes. */
export function makeWorld(...names: readonly string[]): Promise<TestWorld> {
  return makeWorldOf(names, (name) => `did:key:${name}` as Did);
}

/** The same, of nodes with these keys. */
export async function makeWorldOf(
  names: readonly string[],
  didOf: (name: string) => Did,
): Promise<TestWorld> {
  const clock = createTestClock();
  /** The side that a node is on, where the nodes are parted. */
  const sides = new Map<string, number>();
  const isCut = (one: string, other: string): boolean => sides.get(one) !== sides.get(other);
  const nodes: Record<string, TestNode> = {};
  const events = new Map(names.map((name) => [name, new EventEmitter<MembershipEvents>()]));
  const viewOf = (name: string, by: string): PeerView =>
    ({
      peerId: `peer-${name}` as PeerId,
      did: didOf(name),
      alias: name,
      state: nodes[name]?.isAway === true || isCut(name, by) ? 'dead' : 'alive',
      presence: { ...nodes[name]?.agents.presence() },
    }) as unknown as PeerView;
  const gossip = makeGossip();
  const board = new Map<string, BoardEntry>();
  const wakers = new Map<string, (() => void)[]>(names.map((name) => [name, []]));
  const awake = (name: string): Promise<void> | undefined =>
    nodes[name]?.clock.isAsleep === true
      ? new Promise((wake) => wakers.get(name)?.push(wake))
      : undefined;
  for (const name of names) {
    const heard = events.get(name);
    const topic = gossip(name);
    const around = { names, nodes, clock, viewOf, didOf, isCut, awake, board };
    nodes[name] = makeNode({ ...around, name, events: heard, topic });
    await nodes[name].agents.start();
  }
  return {
    clock,
    nodes,
    board,
    sleeps(name) {
      nodes[name]?.clock.sleep();
    },
    async wakes(name, how) {
      nodes[name]?.clock.wake(how);
      for (const wake of wakers.get(name)?.splice(0) ?? []) wake();
      await new Promise((next) => setImmediate(next));
    },
    away(name, isAway) {
      const node = nodes[name];
      if (node !== undefined) node.isAway = isAway;
      for (const [other, heard] of events) {
        if (other !== name) {
          heard.emit('change', viewOf(name, other), undefined, new Set(['state']));
        }
      }
    },
    part(...all) {
      sides.clear();
      for (const [at, side] of all.entries()) for (const name of side) sides.set(name, at);
      for (const [by, heard] of events) {
        for (const name of names.filter((one) => one !== by)) {
          heard.emit('change', viewOf(name, by), undefined, new Set(['state']));
        }
      }
    },
    async stop() {
      for (const node of Object.values(nodes)) await node.agents.stop();
    },
  };
}

/** A topic that all nodes are on: what one of them tells, all others hear. */
function makeGossip(): (name: string) => Topic {
  const listeners = new Map<string, (data: Uint8Array, from: PeerId) => void>();
  return (name) => ({
    async publish(data) {
      for (const [other, listener] of listeners) {
        if (other !== name) listener(data, `peer-${name}` as PeerId);
      }
    },
    subscribe(listener) {
      listeners.set(name, listener);
      return () => void listeners.delete(name);
    },
  });
}

/** Made once for each node: the schemas of a node's tools take longer to make than all that a call does. */
const toolsOf = memoized((agents: Agents) => [
  ...agentTools({ agents }),
  ...eventTools({ agents }),
]);

function memoized<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new WeakMap<K, V>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

interface Making {
  readonly board: Map<string, BoardEntry>;
  readonly topic: Topic;
  readonly name: string;
  readonly names: readonly string[];
  readonly nodes: Record<string, TestNode>;
  readonly clock: TestClock;
  readonly viewOf: (name: string, by: string) => PeerView;
  readonly didOf: (name: string) => Did;
  readonly isCut: (one: string, other: string) => boolean;
  /** Resolves once the node is awake; undefined where it is. */
  readonly awake: (name: string) => Promise<void> | undefined;
  readonly events: EventEmitter<MembershipEvents> | undefined;
}

function makeNode(making: Making): TestNode {
  const { name, names, nodes, viewOf, didOf, isCut, awake, events, topic, board } = making;
  const clock = createMachineClock(making.clock);
  const table = memoryTable();
  const grants = new Set<string>();
  const others = (): readonly PeerView[] =>
    names.filter((one) => one !== name).map((one) => viewOf(one, name));
  const find = (text: string): PeerView | undefined =>
    others().find(({ alias, did, peerId }) => [alias, did, peerId].includes(text as never));
  const keptOut = new Set<string>();
  const allows = (principal: Principal, resource: string): boolean =>
    principal.kind === 'client'
      ? !keptOut.has(principal.name) && principal.scopes.length > 0
      : principal.kind !== 'peer' || grants.has(`${principal.alias} ${resource}`);
  let seed = 1;
  const rooms: TestNode['rooms'] = {
    self: { name, did: didOf(name), peerId: `peer-${name}` as PeerId },
    membership: {
      events: events as never,
      announce: () => undefined,
      byAlias: find,
      find,
      peer: (id) => find(id),
      peers: others,
      resolve(text) {
        const found = find(text);
        if (found === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', text);
        return found;
      },
    },
    callPeer: (peer, call) =>
      answeredInTime(
        clock,
        call.timeoutMs,
        callPeer({ nodes, didOf, isCut, awake }, name, peer, call),
      ),
    random: () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    },
  };
  const make = (): Agents =>
    createAgents({
      ...rooms,
      table,
      topic,
      eventsBoard: () => node.eventsBoard,
      blackboard: {
        async board(called) {
          if (called === 'refuses') throw new StarlingError('STARLING_BOARD_REFUSED', called);
          return boardOf(board, didOf(name), clock);
        },
      },
      guard: () => ({
        decide: (principal, { resource }) =>
          allows(principal, resource)
            ? { allow: true }
            : { allow: false, refusal: { rule: 'test', text: 'no grant' }, hint: '' },
      }),
      sealing: sealingFor(didOf(name)),
      inboxBytesMax: 1024 * 1024,
      clock,
      logger: silentLogger,
    });
  const node: { -readonly [Key in keyof TestNode]: TestNode[Key] } = {
    name,
    agents: make(),
    rows: table.rows,
    grants,
    keptOut,
    asked: [],
    carried: [],
    isAway: false,
    more: [],
    rooms,
    topic,
    eventsBoard: undefined,
    losesAnswers: 0,
    clock,
    async call<T>(principal: Principal, tool: string, args: JsonObject, signal?: AbortSignal) {
      const found = [...toolsOf(node.agents), ...node.more].find(
        ({ definition }) => definition.name === tool,
      );
      const about = found?.subject?.(args);
      const isOpen = about === undefined || about.look === true;
      if (!isOpen && !allows(principal, about.resource)) {
        throw new StarlingError('STARLING_CALL_REFUSED', `no grant for ${about.resource}`);
      }
      const context = { principal, signal: signal ?? new AbortController().signal };
      return (await found?.call(args, context)) as T;
    },
    async restart() {
      await node.agents.stop();
      making.clock.advance(1000);
      node.agents = make();
      await node.agents.start();
    },
  };
  return node;
}

/** The board as one node writes to it. */
function boardOf(board: Map<string, BoardEntry>, by: Did, clock: Clock): Board {
  const own: Pick<Board, 'entries' | 'set'> = {
    entries: (prefix = '') => [...board.values()].filter(({ key }) => key.startsWith(prefix)),
    async set(key, value, { ttlMs = 0 } = {}) {
      const entry = { key, value, by, at: clock.now(), clock: {}, until: clock.now() + ttlMs };
      board.set(key, entry);
      return entry;
    },
  };
  return own as Board;
}

/** Sealing that says for whom it is, and shows nothing to whoever looks by the eye. */
function sealingFor(own: string): AgentsComponents['sealing'] {
  return {
    seal: (did, text) => Buffer.from(JSON.stringify([did, text])).toString('base64'),
    open(sealed) {
      const [did, text] = JSON.parse(Buffer.from(sealed, 'base64').toString()) as [string, string];
      if (did !== own) throw new StarlingError('STARLING_USAGE', 'sealed for another');
      return text;
    },
  };
}

async function callPeer(
  {
    nodes,
    didOf,
    isCut,
    awake,
  }: Pick<Making, 'awake' | 'didOf' | 'isCut'> & {
    readonly nodes: Readonly<Record<string, TestNode>>;
  },
  from: string,
  peer: PeerView,
  call: { readonly tool: string; readonly args: JsonObject },
): Promise<JsonObject> {
  const node = nodes[peer.alias];
  const waking = awake(peer.alias);
  const isGone = node?.isAway === true && waking === undefined;
  if (node === undefined || isGone || isCut(from, peer.alias)) {
    throw new StarlingError('STARLING_PEER_UNREACHABLE', `${peer.alias} is away`);
  }
  await waking;
  node.asked.push(call.tool);
  node.carried.push(JSON.stringify(call.args));
  const principal: Principal = {
    kind: 'peer',
    alias: from,
    did: didOf(from),
    peerId: `peer-${from}` as PeerId,
  };
  const args = JSON.parse(JSON.stringify(call.args)) as JsonObject;
  const answer = await node.call(principal, call.tool, args);
  node.carried.push(JSON.stringify(answer));
  // Nobody reads it while its machine sleeps.
  await awake(from);
  if (node.losesAnswers > 0) {
    node.losesAnswers -= 1;
    throw new StarlingError('STARLING_PEER_UNREACHABLE', `${peer.alias} went away during the call`);
  }
  return answer;
}

/** What a peer answers, as long as its caller waits. @throws STARLING_TIMEOUT */
function answeredInTime(
  clock: Clock,
  timeoutMs: number,
  answer: Promise<JsonObject>,
): Promise<JsonObject> {
  return new Promise((resolve, reject) => {
    const cancel = clock.schedule(timeoutMs, () =>
      reject(new StarlingError('STARLING_TIMEOUT', `no answer within ${timeoutMs} ms`)),
    );
    answer.finally(cancel).then(resolve, reject);
  });
}
