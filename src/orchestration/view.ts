/** An orchestration as others see it. Pure. */
import type { LogLine, Role, Swarm } from '../swarms/index.ts';
import { memberId } from '../swarms/index.ts';
import type { TaskView } from '../tasks/index.ts';
import { medianOf } from './crew.ts';
import { taintOfPlan } from './member-task.ts';
import type { Phase, PhaseRow, PhaseView, PlanState, PlanView } from './types.ts';

/** What is known besides the plan. */
export interface ViewInit {
  /** Absent where the swarm is known no more. */
  readonly swarm: Swarm | undefined;
  readonly endpointOf: (seat: Swarm['seats'][number]) => string;
  readonly log: readonly LogLine[];
  readonly nowMs: number;
}

/** The task, its plan, and who does what of it. */
export function planView(state: PlanState, init: ViewInit): PlanView {
  const { endedAt, error, order, phases, result, status, version } = state;
  const views = order.phases.map((phase, at) => phaseView(phase, phases[at], init.log));
  const done = views.filter((one) => one.status === 'done').length;
  const taint = taintOfPlan(state);
  const completion = endedAt === undefined ? completionOf(state, init) : undefined;
  return {
    taskId: order.id,
    status: status satisfies TaskView['status'],
    priority: order.priority,
    retryPolicy: order.retry,
    submittedBy: order.from,
    submittedAt: iso(order.submittedAt),
    deadline: iso(order.expiresAt),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
    attempts: [],
    progress: { part: done / views.length, text: progressText(views) },
    ...(error === undefined ? {} : { error }),
    ...(taint === undefined ? {} : { taint }),
    version,
    swarmId: order.swarmId,
    description: order.description,
    assignedAgents: assignedOf(state, init),
    orchestrationPlan: { phases: views },
    coordination: {
      consensusThreshold: order.threshold,
      votingMechanism: 'weighted',
      conflictResolution: order.resolution,
    },
    ...(completion === undefined ? {} : { estimatedCompletion: iso(completion) }),
    ...(result === undefined ? {} : { result }),
  };
}

function progressText(views: readonly PhaseView[]): string {
  return views.map(({ name, status }) => `${name} ${status}`).join(', ');
}

function phaseView(phase: Phase, row: PhaseRow | undefined, log: readonly LogLine[]): PhaseView {
  const { capability, dependencies, name, role } = phase;
  const { endedAt, error, round = 0, seats = [], startedAt, status = 'waiting', vote } = row ?? {};
  const now = seats.filter((seat) => seat.round === round);
  const median = medianOf(log, capability);
  return {
    name,
    capability,
    role,
    status,
    agents: [...new Set(now.map(({ endpoint }) => endpoint))],
    ...(dependencies.length === 0 ? {} : { dependencies }),
    ...(median === undefined ? {} : { estimatedDuration: Math.round(median / 100) / 10 }),
    round,
    attempts: seats.map(({ endpoint, why, ...seat }) => ({
      agent: endpoint,
      why,
      ...(seat.outcome === undefined ? {} : { outcome: seat.outcome }),
      ...(seat.error === undefined ? {} : { error: seat.error }),
      ...(seat.taskId === undefined ? {} : { taskId: seat.taskId }),
    })),
    ...(vote === undefined ? {} : { vote }),
    ...(error === undefined ? {} : { error }),
    ...(startedAt === undefined ? {} : { startedAt: iso(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
  };
}

/** Who is in the plan, and as what; the coordinator is the one of the swarm, else who can do the most of it. */
function assignedOf(
  { order, phases }: PlanState,
  { endpointOf, swarm }: ViewInit,
): PlanView['assignedAgents'] {
  const assigned: PlanView['assignedAgents'][number][] = [];
  const hub = swarm?.seats.find(({ joined, role }) => joined && role === 'coordinator');
  if (hub !== undefined) {
    const capabilities = order.phases
      .filter((_, at) => phases[at]?.seats.some(({ member }) => member === memberId(hub)))
      .map(({ capability }) => capability);
    const why = 'coordinates the swarm';
    assigned.push({ agentId: endpointOf(hub), role: 'coordinator', capabilities, why });
  }
  for (const role of ['worker', 'validator'] as const satisfies readonly Role[]) {
    const found = new Map<string, { capabilities: Set<string>; why: string }>();
    for (const [at, phase] of order.phases.entries()) {
      if (phase.role !== role) continue;
      const { round = 0, seats = [] } = phases[at] ?? {};
      for (const seat of seats.filter((one) => one.round === round)) {
        const known = found.get(seat.endpoint) ?? { capabilities: new Set(), why: seat.why };
        known.capabilities.add(phase.capability);
        found.set(seat.endpoint, known);
      }
    }
    for (const [agentId, { capabilities, why }] of found) {
      assigned.push({ agentId, role, capabilities: [...capabilities], why });
    }
  }
  return assigned;
}

/** When it will be done by the medians of what is left, along the longest way; undefined where one is not known. */
function completionOf(
  { order, phases }: PlanState,
  { log, nowMs }: Pick<ViewInit, 'log' | 'nowMs'>,
): number | undefined {
  const left = new Map<string, number>();
  for (const [at, { capability, name }] of order.phases.entries()) {
    const { startedAt, status } = phases[at] ?? {};
    const median = status === 'done' ? 0 : medianOf(log, capability);
    if (median === undefined) return undefined;
    const gone = startedAt === undefined || status === 'done' ? 0 : nowMs - startedAt;
    left.set(name, Math.max(0, median - gone));
  }
  const isInRow = order.strategy === 'sequential';
  if (isInRow) return nowMs + [...left.values()].reduce((sum, ms) => sum + ms, 0);
  const endOf = (name: string): number => {
    const { dependencies = [] } = order.phases.find((one) => one.name === name) ?? {};
    return (left.get(name) ?? 0) + Math.max(0, ...dependencies.map((one) => endOf(one)));
  };
  return nowMs + Math.max(...order.phases.map(({ name }) => endOf(name)));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
