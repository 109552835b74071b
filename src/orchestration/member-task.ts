/** One place of a phase as the task of a member: what it is told, and what comes of it. */
import { StarlingError, restMs } from '../core/index.ts';
import type { Clock, Json } from '../core/index.ts';
import { worstTaint } from '../guard/index.ts';
import type { Principal, Taint } from '../guard/index.ts';
import { BALLOT_META, isBallot } from '../tasks/index.ts';
import type { TaskResult, Tasks } from '../tasks/index.ts';
import {
  BIDDING_MS,
  CONTEXT_BYTES_MAX,
  LOOK_MS,
  PLAN_BYTES_MAX,
  RESULT_BYTES_MAX,
  SEAT_MS,
} from './limits.ts';
import type { Phase, PhaseRow, PlanOrder, PlanState, SeatRow } from './types.ts';

/** The room of tasks, and the time. */
export interface MemberTaskComponents {
  readonly tasks: Pick<Tasks, 'cancel' | 'countdown' | 'result' | 'submit'>;
  readonly clock: Clock;
}

/** Whose task it is, in which plan. */
export interface MemberTaskInit {
  readonly principal: Principal;
  readonly phase: Phase;
  readonly seat: SeatRow;
  /** The plan as it is now. */
  readonly state: () => PlanState;
  /** The seat has its task; on the disk when it resolves. */
  readonly given: (seat: SeatRow) => Promise<void>;
  /** Whether another member could have the place. */
  readonly hasOther: () => Promise<boolean>;
  /** Nobody wants to know any more. */
  readonly stop: AbortSignal;
  /** The node stops: nothing is ended by that. */
  readonly stopping: AbortSignal;
}

/** Has one member do it; what came of that, or the seat with its task where nobody wants to know any more. @throws as tasks do */
export async function memberTask(
  components: MemberTaskComponents,
  init: MemberTaskInit,
): Promise<SeatRow> {
  const { clock, tasks } = components;
  const { phase, principal, seat } = init;
  const { order } = init.state();
  const { taskId } = await tasks.submit(principal, {
    agentId: seat.endpoint,
    input: inputOf(phase, init.state()),
    // It is told what others of the plan have said.
    taint: taintOfPlan(init.state()),
    priority: order.priority,
    retryPolicy: 'none',
    // The plan closes what was made for it alone.
    ...(order.fund === undefined ? {} : { fund: { budgets: order.fund.budgets } }),
    timeoutMs: Math.min(
      SEAT_MS,
      restMs(clock.now(), order.submittedAt, order.expiresAt - order.submittedAt),
    ),
    said: {
      id: [order.id, phase.name, seat.round, seat.place, seat.nth].join('/'),
      metadata: {
        [BALLOT_META]: true,
        swarmId: order.swarmId,
        phase: phase.name,
        role: phase.role,
      },
    },
  });
  const given = { ...seat, taskId };
  await init.given(given);
  const result = await endOf(components, taskId, init);
  return result === undefined ? given : outcomeOf(given, result, init.state());
}

/** How the task of a place has ended; an agent that does not take it in time loses it to another one. */
async function endOf(
  { tasks }: MemberTaskComponents,
  taskId: string,
  { hasOther, principal, stop, stopping }: MemberTaskInit,
): Promise<TaskResult | undefined> {
  const bidding = tasks.countdown(BIDDING_MS);
  try {
    for (;;) {
      const result = await tasks.result(principal, taskId, { waitMs: LOOK_MS, signal: stop });
      if (result.endedAt !== undefined) return result;
      const isOver = stop.aborted && !stopping.aborted;
      const isIdle = result.status === 'bidding' && bidding.isOver;
      if (isOver || (isIdle && (await hasOther()))) {
        await tasks.cancel(principal, taskId).catch((error: unknown) => {
          if (!(error instanceof StarlingError)) throw error;
        });
      }
      if (stop.aborted) return undefined;
    }
  } finally {
    bidding.stop();
  }
}

/** The seat with what its member gave, where that is of size, and with its ballot, where its node has signed that. */
function outcomeOf(
  seat: SeatRow & { readonly taskId: string },
  ended: TaskResult,
  state: PlanState,
): SeatRow {
  const { attempts, ballot, result = null, status } = ended;
  const taint = ended.taint === undefined ? {} : { taint: ended.taint };
  if (status !== 'done') {
    const error = ended.error?.message ?? `it is ${status}`;
    return { ...seat, ...taint, outcome: 'failed', error: error.slice(0, 2000) };
  }
  const bytes = bytesOf(result);
  if (bytes > RESULT_BYTES_MAX) {
    const error = `its result has ${bytes} bytes, of ${RESULT_BYTES_MAX} at most`;
    return { ...seat, outcome: 'failed', error };
  }
  if (bytes + givenBytes(state) > PLAN_BYTES_MAX) {
    const error = `the agents of the plan have given ${PLAN_BYTES_MAX} bytes, and may give no more`;
    return { ...seat, outcome: 'failed', error };
  }
  const name = { taskId: seat.taskId, token: attempts.at(-1)?.token ?? 0 };
  const agent = seat.endpoint.split('@')[0] ?? '';
  const isSigned = ballot !== undefined && isBallot(ballot, seat.did, { ...name, agent }, result);
  return {
    ...seat,
    ...taint,
    outcome: 'done',
    result,
    resultBytes: bytes,
    ...(isSigned ? { ballot } : {}),
  };
}

/** The least trusted zone that what was wanted, and what was said of it so far, may be made of. */
export function taintOfPlan({
  order,
  phases,
}: Pick<PlanState, 'order' | 'phases'>): Taint | undefined {
  const seats = phases.flatMap((phase) => phase.seats);
  return worstTaint(order.taint, ...seats.map(({ taint }) => taint));
}

function givenBytes({ phases }: PlanState): number {
  const seats = phases.flatMap((phase) => phase.seats);
  return seats.reduce((sum, { resultBytes = 0 }) => sum + resultBytes, 0);
}

/** What an agent is given: what is wanted, its part of it, and what came of the phases before. */
function inputOf(
  { capability, dependencies, name, role }: Phase,
  { order, phases }: PlanState,
): Json {
  const rowOf = (one: string): PhaseRow | undefined => phases.find((row) => row.name === one);
  const before = dependencies.map((one) => [one, rowOf(one)?.result ?? null] as const);
  const results: Json = Object.fromEntries(before);
  const isLong = bytesOf(results) > CONTEXT_BYTES_MAX;
  const { description, input, swarmId }: PlanOrder = order;
  const told: Json = isLong ? { board: swarmId, tooLong: dependencies.slice() } : results;
  const rejected = rowOf(name)?.error;
  return {
    task: description,
    ...(input === undefined ? {} : { input }),
    phase: name,
    capability,
    role,
    swarmId,
    results: told,
    ...(rejected === undefined ? {} : { before: rejected.slice(0, 2000) }),
    answer: role === 'validator' ? '{ valid: true or false, reason }' : '{ verdict, … }',
  };
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
