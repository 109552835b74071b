/** What somebody wants to have done, as it is kept: checked, with what is not said filled in. */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, Random } from '../../core/index.ts';
import { labelOf, parseAddress, senderKey } from '../../agents/index.ts';
import { nameOf, worstTaint } from '../../guard/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import {
  ATTEMPT_MAX_MS,
  DEADLINE_MAX_MS,
  DEADLINE_MS,
  DURABLE_INPUT_BYTES_MAX,
  INPUT_BYTES_MAX,
} from '../limits.ts';
import { submitterKey } from './submitters.ts';
import type { SubmitInit, TaskOrder } from '../types.ts';

/** Whose node it is, and what time it is there. */
export interface OrderComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly self: { readonly did: Did };
  /** The number of a new task of this node. */
  nextSeq(this: void): number;
  /** The time by which a task that is submitted at this one has its place. */
  placeAt(this: void, nowMs: number): number;
  /** How far a caller is trusted. */
  zoneOf(this: void, principal: Principal): Zone;
}

/** The order of `init`, as the next one of this node. @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
export function orderOf(
  principal: Principal,
  init: SubmitInit,
  { clock, nextSeq, placeAt, random, self, zoneOf }: OrderComponents,
): TaskOrder {
  const { capability, agentId, durable, input, tags, prefer, said } = init;
  if ((capability === undefined) === (agentId === undefined)) {
    throw usage('say either what an agent must be able to do, or which agent it is for');
  }
  if (agentId !== undefined) parseAddress(agentId);
  // What is given back as it came is kept as well.
  const inputBytes = Buffer.byteLength(JSON.stringify([input, said ?? null]));
  const bytesMax = durable === undefined ? INPUT_BYTES_MAX : DURABLE_INPUT_BYTES_MAX;
  if (inputBytes > bytesMax) throw tooLong(inputBytes, bytesMax);
  const now = clock.now();
  const placedAt = placeAt(now);
  const read = principal.kind === 'client' ? principal.taint : undefined;
  const taint = worstTaint(init.taint, read, zoneOf(principal));
  const priority = init.priority === 'medium' ? 'normal' : (init.priority ?? 'normal');
  return {
    id: labelOf('task', now, random),
    seq: nextSeq(),
    ...(durable === undefined ? {} : { durable }),
    ...(capability === undefined ? {} : { capability }),
    ...(agentId === undefined ? {} : { agentId }),
    priority,
    retry: init.retryPolicy ?? 'lost',
    ...(tags === undefined ? {} : { tags }),
    ...(prefer === undefined ? {} : { prefer }),
    attemptMs: Math.min(init.attemptMs ?? ATTEMPT_MAX_MS, ATTEMPT_MAX_MS),
    submitter: durable === undefined ? senderKey(principal) : submitterKey(principal, self),
    from: nameOf(principal),
    submittedAt: now,
    expiresAt: now + Math.min(init.timeoutMs ?? DEADLINE_MS, DEADLINE_MAX_MS),
    ...(placedAt === now ? {} : { placedAt }),
    inputBytes,
    ...(taint === undefined ? {} : { taint }),
    ...(said === undefined ? {} : { said }),
  };
}

/** How long it has, or had, from when it was submitted or tried again. */
export function lifeMsOf({ expiresAt, retriedAt, submittedAt }: TaskOrder): number {
  return expiresAt - (retriedAt ?? submittedAt);
}

/** The same message of the same submitter is the same task. */
export function messageKey({ said, submitter }: TaskOrder): string | undefined {
  const id = said?.['id'];
  return typeof id === 'string' ? `${submitter}\n\n${id}` : undefined;
}

function usage(why: string): StarlingError {
  return new StarlingError('STARLING_USAGE', why, { hint: 'see: starling task run --help' });
}

function tooLong(size: number, bytesMax: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the input of the task has ${size} bytes, and may have ${bytesMax}`,
    {
      hint: 'put what is long onto a board or into a resource, and give the task where it is',
      data: { reason: 'size', limit: bytesMax },
    },
  );
}
