/**
 * Nodes that spread agents: their boards are strong ones over a network in memory, their calls are function calls, their
 * programs are played by the test, and all live by clocks that the test moves. A partition cuts boards and calls alike.
 */
import { createRuns, createSpreads, spreadTools } from '../../../src/agents/index.ts';
import type { Runs, Spreads } from '../../../src/agents/index.ts';
import type { SpreadInit } from '../../../src/agents/spread/order.ts';
import type {
  AgentMessageResult,
  AgentSpreadResult,
  SpreadView,
} from '../../../src/agents/types.ts';
import type { AgentKind } from '../../../src/config/index.ts';
import { createHealth, silentLogger } from '../../../src/core/index.ts';
import type { Clock, Did, Health, Json, JsonObject, PeerId } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { calm } from '../../blackboard/hub.ts';
import { keysOf } from '../../blackboard/keys.ts';
import { makeMesh } from '../../blackboard/support.ts';
import type { Mesh } from '../../blackboard/support.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { kind, playedBy } from '../run/programs.ts';
import type { Program } from '../run/programs.ts';
import { makeWorldOf } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

/** One node that spreads agents, and runs parts of them. */
export interface SpreadNode {
  readonly name: string;
  readonly did: Did;
  readonly node: TestNode;
  readonly health: Health;
  readonly kinds: Record<string, AgentKind>;
  /** All that it has ever started, the oldest first. */
  readonly programs: Program[];
  runs: Runs;
  spreads: Spreads;
  /** How far its clock is ahead of the others', ms. */
  readonly time: { aheadMs: number };
  /** Those of its programs that run. */
  alive(): readonly Program[];
  spread(on: readonly string[], more?: Partial<SpreadInit>): Promise<AgentSpreadResult>;
  view(name?: string): SpreadView | undefined;
  send(to: string, message: Json, more?: JsonObject): Promise<AgentMessageResult>;
  /** Makes what runs and spreads its agents anew, from what is on its disk. */
  renew(): void;
}

/** The nodes together. */
export interface SpreadStage {
  readonly world: TestWorld;
  readonly mesh: Mesh;
  at(name: string): SpreadNode;
  /** Lets time pass, and all that comes of it; `each` is called in between. */
  passes(ms: number, each?: () => void): Promise<void>;
  /** Lets arrive what is on its way, where no time passes. */
  arrives(): Promise<void>;
  /** Cuts the nodes of each side off from the others; without sides all are together again. */
  part(...sides: readonly (readonly string[])[]): Promise<void>;
  /** The machine of a node falls asleep, or wakes up: see `TestWorld.wakes`. The others miss it at once. */
  sleeps(name: string): Promise<void>;
  wakes(name: string, how: { readonly late: boolean }): Promise<void>;
  /** Ends a node as by kill -9: nobody hears of it, nothing is given back, and its programs end with it. */
  die(name: string): Promise<void>;
  /** Starts it again. */
  rise(name: string): Promise<void>;
  /** Makes the board of a stage that has none yet; no time passes for those that look for it. */
  makesBoard(): Promise<void>;
  /** The parents that there are now, as they see it. */
  parents(name?: string): readonly string[];
  stop(): Promise<void>;
}

const BOARD = 'spreads';
const NEVER = new AbortController().signal;
const STEP_MS = 1000;
/** Within so long all nodes know of a board. */
const BOARD_MS = 6000;

/** Makes and starts the nodes; each lets all others spawn `coder`, and has that kind. */
export function stageOf(...names: readonly string[]): Promise<SpreadStage> {
  return stageWith(names, { hasBoard: true });
}

/** The same, where nobody has made the board before the nodes start. */
export function stageWithoutBoard(...names: readonly string[]): Promise<SpreadStage> {
  return stageWith(names, { hasBoard: false });
}

async function stageWith(
  names: readonly string[],
  { hasBoard }: { readonly hasBoard: boolean },
): Promise<SpreadStage> {
  const keys = keysOf(...names);
  const keyOf = (name: string): NonNullable<ReturnType<typeof keys.get>> => {
    const key = keys.get(name);
    if (key === undefined) throw new Error(name);
    return key;
  };
  const didOf = (name: string): Did => keyOf(name).did;
  const world = await makeWorldOf(names, didOf);
  const mesh = await makeMesh(names, {}, keys);
  mesh.connectAll();
  const arrives = async (): Promise<void> => calm(30);
  const passes = async (ms: number, each?: () => void): Promise<void> => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      mesh.clock.advance(STEP_MS);
      world.clock.advance(STEP_MS);
      await arrives();
      each?.();
    }
  };
  const makesBoard = async (): Promise<void> => {
    await makeBoard(mesh, names, didOf);
    for (let passed = 0; passed < BOARD_MS; passed += STEP_MS) {
      mesh.clock.advance(STEP_MS);
      await arrives();
    }
  };
  await arrives();
  if (hasBoard) {
    await makeBoard(mesh, names, didOf);
    await passes(BOARD_MS);
  }
  const nodes = new Map<string, SpreadNode>();
  const ended: Promise<void>[] = [];
  for (const name of names) {
    const member = mesh.members.find(({ id }) => id === name);
    const node = world.nodes[name];
    if (member === undefined || node === undefined) throw new Error(name);
    for (const other of names) node.grants.add(`${other} agent:coder`);
    const made = nodeOf({ node, signer: keyOf(name), blackboard: member.blackboard });
    nodes.set(name, made);
    await made.runs.start();
    await made.spreads.start();
  }
  const at = (name: string): SpreadNode => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(name);
    return node;
  };
  return {
    world,
    mesh,
    at,
    passes,
    arrives,
    makesBoard,
    async part(...sides) {
      const sideOf = (name: string): number => sides.findIndex((side) => side.includes(name));
      for (const [index, one] of names.entries()) {
        for (const other of names.slice(index + 1)) {
          const isCut = sideOf(one) !== sideOf(other);
          const pair = [one as PeerId, other as PeerId] as const;
          if (isCut) mesh.hub.cut(...pair);
          else mesh.hub.connect(...pair);
        }
      }
      world.part(...sides);
      await arrives();
    },
    async sleeps(name) {
      world.sleeps(name);
      for (const other of names.filter((one) => one !== name)) {
        mesh.hub.cut(name as PeerId, other as PeerId);
      }
      world.away(name, true);
      await arrives();
    },
    async wakes(name, how) {
      for (const other of names.filter((one) => one !== name)) {
        mesh.hub.connect(name as PeerId, other as PeerId);
      }
      await world.wakes(name, how);
      world.away(name, false);
      await arrives();
    },
    async die(name) {
      const { node, programs, runs, spreads } = at(name);
      for (const other of names.filter((one) => one !== name)) {
        mesh.hub.cut(name as PeerId, other as PeerId);
      }
      world.away(name, true);
      node.more.splice(0);
      // What it would still say reaches nobody.
      ended.push(spreads.stop(), runs.stop());
      for (const program of programs) program.isClosed = true;
      await arrives();
    },
    async rise(name) {
      const made = at(name);
      await made.node.restart();
      made.renew();
      for (const other of names.filter((one) => one !== name)) {
        mesh.hub.connect(name as PeerId, other as PeerId);
      }
      await made.runs.start();
      await made.spreads.start();
      world.away(name, false);
      await arrives();
    },
    parents: (name = 'coder') =>
      [...nodes.values()]
        .filter((node) => node.view(name)?.parent?.node === node.name)
        .map((node) => node.name),
    async stop() {
      await passes(STEP_MS);
      // All at once: one after the other, the last ones would live through the stops of all before them.
      const stopping = [...nodes.values()].map(({ spreads }) => spreads.stop());
      await passes(5000);
      await Promise.all(stopping);
      const ending = [...nodes.values()].map(({ runs }) => runs.stop());
      await passes(3000);
      await Promise.all(ending);
      await Promise.all(ended);
      await world.stop();
      await mesh.stop();
    },
  };
}

/** A strong board that all nodes keep, and write to. */
async function makeBoard(
  mesh: Mesh,
  names: readonly string[],
  didOf: (name: string) => Did,
): Promise<void> {
  const board = await mesh.members[0]?.blackboard.board(BOARD);
  await board?.create({ strong: names.map(didOf) });
  for (const name of names) await board?.grant({ to: didOf(name), ability: 'write' });
}

function nodeOf({
  node,
  signer,
  blackboard,
}: {
  readonly node: TestNode;
  readonly signer: NonNullable<ReturnType<ReturnType<typeof keysOf>['get']>>;
  readonly blackboard: Mesh['members'][number]['blackboard'];
}): SpreadNode {
  const time = { aheadMs: 0 };
  const clock: Clock = {
    now: () => node.clock.now() + time.aheadMs,
    schedule: (...timer) => node.clock.schedule(...timer),
  };
  const health = createHealth();
  const kinds: Record<string, AgentKind> = { coder: kind({ maxReplicas: 8 }) };
  const config = {
    kinds,
    max: 20,
    timeoutMs: 60_000,
    a2a: 'private' as const,
    unconfined: false,
    spread: { board: BOARD },
  };
  const programs: Program[] = [];
  const decide = (principal: Principal, { resource }: { readonly resource: string }): never =>
    (principal.kind !== 'peer' || node.grants.has(`${principal.alias} ${resource}`)
      ? { allow: true }
      : { allow: false, refusal: { rule: 'test', text: 'no grant' }, hint: '' }) as never;
  const guard = () => ({ decide });
  const { self, membership, callPeer } = node.rooms;
  const peerOf = (did: Did | undefined): Principal | undefined => {
    if (did === self.did) return undefined;
    const peer = did === undefined ? undefined : membership.find(did);
    if (peer === undefined) return { kind: 'client', name: 'nobody', scopes: [] };
    return { kind: 'peer', did: peer.did, peerId: peer.peerId, alias: peer.alias };
  };
  const makeRuns = (): Runs =>
    createRuns({
      table: memoryTable(node.rows),
      agents: node.agents,
      guard,
      config: () => config,
      startProcess: (init) => playedBy(programs, init, { failing: undefined }),
      noSandbox: async () => undefined,
      principalOf: ({ did }) => peerOf(did),
      self: self.did,
      limits: { cores: [0, 1], taskset: '/usr/bin/taskset' },
      health,
      clock,
      random: () => 0.5,
      logger: silentLogger,
    });
  const makeSpreads = (runs: Runs): Spreads =>
    createSpreads({
      runs,
      guard,
      blackboard,
      membership,
      callPeer,
      config: () => config,
      signer,
      self,
      health,
      clock,
      logger: silentLogger,
    });
  const tell = (spreads: Spreads): void => {
    node.more.splice(0, node.more.length, ...spreadTools({ spreads }));
  };
  const runs = makeRuns();
  const made: SpreadNode = {
    name: node.name,
    did: self.did,
    node,
    health,
    kinds,
    programs,
    runs,
    spreads: makeSpreads(runs),
    time,
    alive: () => programs.filter(({ isClosed, isDead }) => !isClosed && !isDead),
    spread: (on, more = {}) =>
      made.spreads.spread(OPERATOR, { kind: 'coder', on, waitMs: 0, ...more }, NEVER),
    view: (name = 'coder') => made.spreads.view(name),
    send: (to, message, more = {}) =>
      node.call(OPERATOR, 'agent_message', { agentId: to, message, ...more }),
    renew() {
      made.runs = makeRuns();
      made.spreads = makeSpreads(made.runs);
      tell(made.spreads);
    },
  };
  tell(made.spreads);
  return made;
}
