/** A swarm as others see it. Pure. */
import type { AgentView } from '../agents/index.ts';
import type { Did } from '../core/index.ts';
import { HEALTH_TASKS, LOG_MAX } from './limits.ts';
import { edgesAround } from './topology.ts';
import type {
  EdgeView,
  LogLine,
  PlanRow,
  Seat,
  Swarm,
  SwarmAgentView,
  SwarmStatusResult,
} from './types.ts';

/** What is known of a swarm. */
export interface StatusInit {
  readonly swarm: Swarm;
  readonly state: SwarmStatusResult['status'];
  /** All that this node knows. */
  readonly agents: readonly AgentView[];
  readonly logs: readonly LogLine[];
  readonly plans: readonly PlanRow[];
  readonly endpointOf: (seat: Seat) => string;
  /** Its node is gone. */
  readonly isGone: (seat: Seat) => boolean;
  readonly grantFor: (from: Seat, to: Seat) => string | undefined;
  readonly operations: number;
  readonly createdBy: string;
  readonly version: string;
}

/** States in which a plan has members at work. */
const OVER: readonly string[] = ['done', 'failed', 'cancelled', 'expired'];

/** The name of a member on the board: the same at all nodes. */
export function memberId({ agent, did }: { readonly agent: string; readonly did: Did }): string {
  return `${agent}@${did}`;
}

/** What `swarm_status` answers. */
export function statusOf(init: StatusInit): SwarmStatusResult {
  const { swarm, logs, operations, createdBy, version } = init;
  const done = logs.filter(({ ok }) => ok);
  const totalMs = done.reduce((sum, { ms }) => sum + ms, 0);
  return {
    swarmId: swarm.id,
    name: swarm.name,
    topology: swarm.topology,
    status: init.state,
    agents: swarm.seats.map((seat) => agentOf(init, seat)),
    edges: edgeViews(init),
    config: { maxAgents: swarm.maxAgents, consensusThreshold: swarm.threshold },
    metrics: {
      tasksCompleted: done.length,
      ...(done.length === 0 ? {} : { avgCompletionTime: round(totalMs / done.length / 1000) }),
      ...(logs.length === 0 ? {} : { successRate: round(done.length / logs.length) }),
      window: `the last ${LOG_MAX} tasks that each node gave to members`,
    },
    operations,
    createdAt: new Date(swarm.at).toISOString(),
    createdBy,
    version,
  };
}

function agentOf(
  { agents, endpointOf, logs, plans, swarm }: StatusInit,
  seat: Seat,
): SwarmAgentView {
  const endpoint = endpointOf(seat);
  const view = agents.find((one) => one.endpoint === endpoint);
  const id = memberId(seat);
  const currentTask =
    plans.flatMap(({ busy, status }) => (OVER.includes(status) ? [] : (busy[id] ?? []))).at(0) ??
    null;
  const isThere = view?.status === 'online';
  return {
    id: view?.id ?? id,
    name: seat.agent,
    endpoint,
    type: seat.kind,
    role: seat.role,
    status: stateOfAgent(swarm, seat, { view, currentTask }),
    health: isThere ? healthOf(logs.filter(({ agent }) => agent === id)) : 0,
    currentTask,
    capabilities: view?.capabilities ?? [],
  };
}

function stateOfAgent(
  { dissolvedAt }: Swarm,
  { joined }: Seat,
  {
    view,
    currentTask,
  }: { readonly view: AgentView | undefined; readonly currentTask: string | null },
): SwarmAgentView['status'] {
  if (!joined) return 'invited';
  if (view === undefined) return 'unknown';
  // Of a swarm that was dissolved only the agents are left, which go on by themselves.
  if (view.status !== 'online' || dissolvedAt !== undefined) return view.status;
  return currentTask === null ? 'active' : 'busy';
}

function healthOf(lines: readonly LogLine[]): number {
  const last = lines.toSorted((one, other) => one.at - other.at).slice(-HEALTH_TASKS);
  if (last.length === 0) return 100;
  return Math.round((100 * last.filter(({ ok }) => ok).length) / last.length);
}

function edgeViews({ endpointOf, grantFor, isGone, swarm }: StatusInit): readonly EdgeView[] {
  if (swarm.dissolvedAt !== undefined) return [];
  const seats = swarm.seats.filter(({ joined }) => joined);
  const isPlaceGone = (place: number): boolean => {
    const seat = seats[place];
    return seat !== undefined && isGone(seat);
  };
  return edgesAround(swarm.topology, seats.length, isPlaceGone).flatMap(({ from, to, task }) => {
    const [sender, receiver] = [seats[from], seats[to]];
    if (sender === undefined || receiver === undefined) return [];
    const grant = grantFor(sender, receiver);
    const edge = { from: endpointOf(sender), to: endpointOf(receiver), task };
    return [grant === undefined ? edge : { ...edge, grant }];
  });
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
