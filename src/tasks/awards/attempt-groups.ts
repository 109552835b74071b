/**
 * What is asked of one peer about attempts of one submitter in the same turn goes in one message: to begin with many, and
 * how many go. A node of an earlier version reads the first of them alone, which shows in its answer: it is asked one by one.
 */
import { ERRORS, StarlingError, leftMs, pause, unawaited } from '../../core/index.ts';
import type { Clock, JsonObject, Logger, PeerId } from '../../core/index.ts';
import { z } from 'zod';
import { FOLLOW_PACE_MS, GROUP_MAX, HASTY_MAX, OLD_PEER_MS, WORDS_MAX } from '../limits.ts';
import type { Outcome } from '../types.ts';

/** One thing that is asked about one attempt. */
export interface GroupMember {
  /** The peer that is asked. */
  readonly peer: PeerId;
  /** What can go in one message: the peer, by whose right, and what for. */
  readonly group: string;
  /** The arguments of this one; the first one's are those of the message. */
  readonly args: JsonObject;
  /** What the message says besides: of the first. */
  readonly head: JsonObject;
  /** Sends. @throws what the peer answers, STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  send(this: void, args: JsonObject): Promise<JsonObject>;
  /** Reads the answer about one. @throws STARLING_PROTOCOL_VIOLATION */
  read(this: void, answer: unknown): Outcome;
  /** What is known where the peer has nothing new to say; absent where it must say something. */
  readonly nothingNew?: Outcome;
}

/** Groups of questions. */
export interface AttemptGroups {
  /** @throws what the peer says against this one, STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  ask(member: GroupMember): Promise<Outcome>;
}

interface Asked extends GroupMember {
  resolve(this: void, outcome: Outcome): void;
  reject(this: void, error: unknown): void;
}

/** The answers by their places in the question; who has nothing new is left out. */
const GROUP = z
  .array(
    z.object({
      at: z.number().int().min(0).max(GROUP_MAX),
      outcome: z.unknown().optional(),
      error: z
        .object({
          code: z.string().max(64),
          message: z.string().max(WORDS_MAX),
          reason: z.string().max(64).optional(),
        })
        .optional(),
    }),
  )
  .max(GROUP_MAX);

/** Makes what gathers questions. */
export function createAttemptGroups(clock: Clock, logger: Logger): AttemptGroups {
  return new Groups(clock, logger);
}

/** Groups of which it is known how hasty their peers are. */
const GROUPS_MAX = 1000;

class Groups implements AttemptGroups {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, Asked[]>();
  /** Peers of an earlier version, and until when they are taken for that. */
  readonly #old = new Map<PeerId, number>();
  /** Answers in a row that came at once and said nothing new, by group. */
  readonly #hasty = new Map<string, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  ask(member: GroupMember): Promise<Outcome> {
    const isOld = leftMs(this.#clock, this.#old.get(member.peer) ?? 0, OLD_PEER_MS) > 0;
    if (isOld) return this.#alone(member);
    return new Promise((resolve, reject) => {
      const asked = { ...member, resolve, reject };
      const known = this.#waiting.get(member.group);
      if (known === undefined) {
        this.#waiting.set(member.group, [asked]);
        // What is asked in one turn of the loop is asked together.
        setImmediate(() => this.#flush(member.group));
        return;
      }
      known.push(asked);
      if (known.length >= GROUP_MAX) this.#flush(member.group);
    });
  }

  #flush(group: string): void {
    const all = this.#waiting.get(group);
    if (all === undefined) return;
    this.#waiting.delete(group);
    // Whoever waits is told itself what goes wrong.
    unawaited(this.#askAll(all), this.#logger, 'a group of attempts was not asked for', { group });
  }

  async #askAll(all: readonly Asked[]): Promise<void> {
    const [first, ...others] = all;
    if (first === undefined) return;
    if (others.length === 0) return settleBy(first, this.#alone(first));
    const askedAt = this.#clock.now();
    let answer: JsonObject;
    try {
      const more = others.map(({ args }) => args);
      answer = await first.send({ ...first.head, ...first.args, more });
    } catch (error) {
      return this.#failed(all, error);
    }
    const read = GROUP.safeParse(answer['group']);
    if (!read.success) {
      this.#old.set(first.peer, this.#clock.now() + OLD_PEER_MS);
      settle(first, () => first.read(answer));
      for (const one of others) settleBy(one, this.#alone(one));
      return;
    }
    await this.#pace(first.group, read.data.length > 0, askedAt);
    this.#told(all, read.data);
  }

  async #alone({ args, group, head, nothingNew, read, send }: GroupMember): Promise<Outcome> {
    const askedAt = this.#clock.now();
    const outcome = read(await send({ ...head, ...args }));
    if (nothingNew !== undefined) {
      await this.#pace(group, !isSame(outcome, nothingNew), askedAt);
    }
    return outcome;
  }

  #told(all: readonly Asked[], answers: z.infer<typeof GROUP>): void {
    const byPlace = new Map(answers.map((one) => [one.at, one]));
    for (const [at, one] of all.entries()) {
      const said = byPlace.get(at);
      if (said === undefined) {
        settle(one, () => one.nothingNew ?? one.read(undefined));
      } else if (said.error === undefined) settle(one, () => one.read(said.outcome));
      else one.reject(errorOf(said.error));
    }
  }

  /** A peer that has nothing to say, without end, is asked no faster than this. */
  async #pace(group: string, isNews: boolean, askedAt: number): Promise<void> {
    if (isNews || this.#clock.now() - askedAt >= FOLLOW_PACE_MS) {
      this.#hasty.delete(group);
      return;
    }
    const hasty = (this.#hasty.get(group) ?? 0) + 1;
    if (this.#hasty.size >= GROUPS_MAX) this.#hasty.clear();
    this.#hasty.set(group, hasty);
    if (hasty > HASTY_MAX) await pause(this.#clock, FOLLOW_PACE_MS);
  }

  /** What says no to a message of many may mean the first of them: the others are asked for themselves. */
  #failed(all: readonly Asked[], error: unknown): void {
    const [first, ...others] = all;
    first?.reject(error);
    for (const one of others) {
      if (isNoAnswer(error)) one.reject(error);
      else settleBy(one, this.#alone(one));
    }
  }
}

function settleBy({ reject, resolve }: Asked, outcome: Promise<Outcome>): void {
  outcome.then(resolve, reject);
}

function settle({ reject, resolve }: Asked, outcome: () => Outcome): void {
  try {
    resolve(outcome());
  } catch (error) {
    reject(error);
  }
}

/** The peer says what is known already. */
function isSame(outcome: Outcome, known: Outcome): boolean {
  return 'news' in outcome && 'news' in known && outcome.news === known.news;
}

/** Nobody knows whether the peer has read it. */
function isNoAnswer(error: unknown): boolean {
  const codes: readonly string[] = [
    'STARLING_TIMEOUT',
    'STARLING_PEER_UNREACHABLE',
    'STARLING_STOPPED',
  ];
  return !(error instanceof StarlingError) || codes.includes(error.code);
}

function errorOf({
  code,
  message,
  reason,
}: {
  readonly code: string;
  readonly message: string;
  readonly reason?: string | undefined;
}): StarlingError {
  const known = Object.hasOwn(ERRORS, code) ? (code as keyof typeof ERRORS) : undefined;
  return new StarlingError(known ?? 'STARLING_AGENT_FAILED', message, {
    data: reason === undefined ? {} : { reason },
  });
}
