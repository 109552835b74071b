/** Nodes with durable tasks alone, whose registers are in memory, on a clock that a test moves. */
import { EventEmitter } from 'node:events';
import { silentLogger } from '../../src/core/index.ts';
import type { Did, Json } from '../../src/core/index.ts';
import type { MembershipEvents, PeerState, PeerView } from '../../src/membership/types.ts';
import { createDurable } from '../../src/tasks/durable/durable.ts';
import type { Durable } from '../../src/tasks/durable/durable.ts';
import type { TaskRow } from '../../src/tasks/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { createSharedBoards } from './shared-boards.ts';
import type { SharedBoards } from './shared-boards.ts';
import { turns } from './world.ts';

/** The key of a node by its name. */
export const didOf = (name: string): Did => `did:key:z6Mk${name.padEnd(40, 'x')}` as Did;

/** One node. */
export interface DurableNode {
  readonly did: Did;
  readonly durable: Durable;
  readonly owned: Map<string, TaskRow>;
  readonly seen: Map<string, { readonly row: TaskRow; readonly owner: Did }>;
  /** What submitters have answered, as the owner of a task hears. */
  readonly answers: Map<string, Json>;
}

/** Nodes that share their boards. */
export interface DurableMesh {
  readonly clock: TestClock;
  readonly boards: SharedBoards;
  readonly nodes: Readonly<Record<string, DurableNode>>;
  at(name: string): DurableNode;
  /** Says to all others how a node is. */
  says(name: string, state: PeerState): void;
  passes(ms: number): Promise<void>;
  stop(): void;
}

/** Makes and starts them. */
export async function makeDurableMesh(...names: readonly string[]): Promise<DurableMesh> {
  const clock = createTestClock();
  const boards = createSharedBoards();
  const states = new Map<string, PeerState>(names.map((name) => [name, 'alive']));
  const told: EventEmitter<MembershipEvents>[] = [];
  const viewOf = (name: string): PeerView =>
    ({ alias: name, did: didOf(name), state: states.get(name) }) as PeerView;
  const nodes: Record<string, DurableNode> = {};
  for (const name of names) {
    const events = new EventEmitter<MembershipEvents>();
    told.push(events);
    const others = (): PeerView[] => names.filter((one) => one !== name).map(viewOf);
    const owned = new Map<string, TaskRow>();
    const seen: DurableNode['seen'] = new Map();
    const answers: DurableNode['answers'] = new Map();
    const durable = createDurable({
      blackboard: boards.at(didOf(name)),
      membership: { events, peers: others, find: (did) => others().find((one) => one.did === did) },
      self: { did: didOf(name) },
      clock,
      random: Math.random,
      logger: silentLogger,
      shown: (row, owner) => {
        owned.delete(row.order.id);
        seen.set(row.order.id, { row, owner });
      },
      checkRoom: () => undefined,
      taken: (row) => {
        seen.delete(row.order.id);
        owned.set(row.order.id, row);
      },
      answered: (id, given) => void answers.set(id, { ...given }),
      gone: (id) => {
        owned.delete(id);
        seen.delete(id);
      },
    });
    nodes[name] = { did: didOf(name), durable, owned, seen, answers };
    await durable.start();
  }
  const at = (name: string): DurableNode => {
    const found = nodes[name];
    if (found === undefined) throw new Error(name);
    return found;
  };
  return {
    clock,
    boards,
    nodes,
    at,
    says(name, state) {
      states.set(name, state);
      for (const events of told) {
        events.emit('change', viewOf(name), undefined, new Set(['state'] as const));
      }
    },
    async passes(ms) {
      for (let passed = 0; passed < ms; passed += 500) {
        clock.advance(500);
        await turns();
      }
    },
    stop() {
      for (const { durable } of Object.values(nodes)) durable.stop();
    },
  };
}

/** A task that the operator of `by` has submitted. */
export function rowOf(id: string, by: string): TaskRow {
  const order = {
    id,
    seq: 1,
    durable: 'mesh',
    capability: 'dig',
    priority: 'normal',
    retry: 'lost',
    attemptMs: 1000,
    submitter: didOf(by),
    from: 'the operator',
    submittedAt: 0,
    expiresAt: 1_000_000,
    inputBytes: 10,
  } as const;
  return { order, state: 'submitted', token: 0, attempts: [], roundFrom: 0, version: 1 };
}

/** The row once its result counts. */
export const doneOf = (row: TaskRow): TaskRow => ({
  ...row,
  state: 'done',
  version: row.version + 5,
  endedAt: 9,
});
