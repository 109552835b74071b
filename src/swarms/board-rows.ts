/**
 * What stands on the board of a swarm, and who may say what there. The creator alone writes what the swarm is and, with
 * the coordinators that it has named at other nodes, who is in it; each node writes below its own prefix that its agents
 * are in it, how its tasks went, and what it has under way. An entry that anybody else wrote is none: it is read by its
 * writer's signature, not by its key alone.
 */
import { z } from 'zod';
import type { Board, BoardEntry } from '../blackboard/index.ts';
import type { Did } from '../core/index.ts';
import { LOG_MAX, SWARM_AGENTS_MAX } from './limits.ts';
import { ROLES, TOPOLOGIES } from './types.ts';
import type { LogLine, PlanOfNode, Seat, Swarm } from './types.ts';

const DID = 'did:key:';
const ROW = 'swarm';
const END = 'dissolved';
const SEATS = 'seat/';
const OWN = 'at/';

/** Budgets of one swarm. */
const BUDGETS_MAX = 16;

const text = z.string().min(1).max(128);
const ms = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const SWARM = z.object({
  id: text,
  name: text,
  topology: z.enum(TOPOLOGIES),
  maxAgents: z.number().int().min(1).max(SWARM_AGENTS_MAX),
  threshold: z.number().gt(0.5).max(1),
  owner: z.string().max(512),
  fund: z
    .object({
      budgets: z.array(z.string().max(32)).max(BUDGETS_MAX),
      own: z.string().max(32).optional(),
    })
    .transform(({ budgets, own }) => (own === undefined ? { budgets } : { budgets, own }))
    .optional(),
  at: ms,
});
const SEAT = z.object({ kind: text, role: z.enum(ROLES), order: ms });
const LINE = z.object({
  taskId: text,
  agent: z.string().max(256),
  capability: z.string().max(128),
  ok: z.boolean(),
  ms,
  at: ms,
});
const PLAN = z.object({
  taskId: text,
  status: text,
  busy: z.record(z.string().max(256), z.string().max(128)),
  view: z.json(),
  at: ms,
});

/** The key of what is fixed of the swarm. */
export const SWARM_KEY = ROW;
/** Where the creator writes that the swarm is dissolved. */
export const END_KEY = END;

/** The prefix below which a node may write. */
export function ownPrefix(did: Did): string {
  return `${OWN}${did.slice(DID.length)}/`;
}

/** Below it stands what the swarm remembers: the nodes of all members write there. */
export const MEMORY_PREFIX = 'memory/';

/** The key by which the creator names a member. */
export function seatKey({ agent, did }: Pick<Seat, 'agent' | 'did'>): string {
  return `${SEATS}${did.slice(DID.length)}/${agent}`;
}

/** The key by which the node of a member agrees. */
export function joinedKey({ agent, did }: Pick<Seat, 'agent' | 'did'>): string {
  return `${ownPrefix(did)}agent/${agent}`;
}

/** The key of how the tasks of a node went. */
export function logKey(did: Did): string {
  return `${ownPrefix(did)}log`;
}

/** The key of what a node has under way. */
export function planKey(did: Did, taskId: string): string {
  return `${ownPrefix(did)}plan/${taskId}`;
}

/** The swarm that a board has; undefined where it has none, or its creator has not written it. */
export function readSwarm(board: Board): Swarm | undefined {
  const creator = board.info().createdBy;
  if (creator === undefined || board.isOpen) return undefined;
  const by = (key: string): BoardEntry | undefined => {
    const entry = board.get(key);
    return entry?.by === creator ? entry : undefined;
  };
  const named = board.entries(SEATS);
  const ofCreator = named
    .filter((entry) => entry.by === creator)
    .flatMap((entry) => seatIn(board, entry));
  const deputies = ofCreator
    .filter(({ did, joined, role }) => joined && role === 'coordinator' && did !== creator)
    .map(({ did }) => did);
  const ofDeputies = named
    .filter((entry) => deputies.includes(entry.by))
    .flatMap((entry) => seatIn(board, entry));
  const row = SWARM.safeParse(by(ROW)?.value);
  if (!row.success || row.data.id !== board.name.split('@')[0]) return undefined;
  const end = by(END);
  const seats = [...ofCreator, ...ofDeputies]
    .toSorted((one, other) => rankOf(one) - rankOf(other) || one.order - other.order)
    .slice(0, row.data.maxAgents);
  return {
    ...row.data,
    creator,
    deputies: [...new Set(deputies)],
    seats,
    ...(end === undefined ? {} : { dissolvedAt: end.at }),
  };
}

/** A coordinator is the hub, or the root. */
function rankOf({ role }: Seat): number {
  return role === 'coordinator' ? 0 : 1;
}

function seatIn(board: Board, { key, value }: BoardEntry): readonly Seat[] {
  const [, whose = '', agent = ''] = key.split('/');
  const read = SEAT.safeParse(value);
  if (!read.success || whose === '' || agent === '') return [];
  const did = `${DID}${whose}` as Did;
  const joined = board.get(joinedKey({ agent, did }))?.by === did;
  return [{ ...read.data, agent, did, joined }];
}

/** How tasks went, by the word of each node of their owner. */
export function readLogs(board: Board): readonly LogLine[] {
  return ownRows(board, 'log').flatMap(({ value }) => {
    const lines = z.array(LINE).max(LOG_MAX).safeParse(value);
    return lines.success ? lines.data : [];
  });
}

/** What nodes have under way, or had lately. */
export function readPlans(board: Board): readonly PlanOfNode[] {
  return ownRows(board, 'plan/').flatMap(({ by, value }) => {
    const read = PLAN.safeParse(value);
    return read.success ? [{ ...read.data, view: read.data.view, did: by }] : [];
  });
}

/** Entries that begin so below the prefix of whoever wrote them. */
function ownRows(board: Board, rest: string): readonly BoardEntry[] {
  return board.entries(OWN).filter(({ by, key }) => key.startsWith(`${ownPrefix(by)}${rest}`));
}
