/** The ways to workers: a function call to agents of this node, the peer's tool `task_attempt` to others. */
import { StarlingError, messageOf, pause } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import { z } from 'zod';
import { anyJson } from '../../gateway/index.ts';
import type { PeerToolCall } from '../../gateway/index.ts';
import { worstTaint } from '../../guard/index.ts';
import type { Principal, Taint, Zone } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';
import {
  BALLOT_LENGTH_MAX,
  BEGIN_MS,
  FOLLOW_AGAIN_MS,
  FOLLOW_MS,
  FOLLOW_PACE_MS,
  FOLLOW_WAY_MS,
  HASTY_MAX,
  WORDS_MAX,
} from '../limits.ts';
import type { AttemptGroups } from './attempt-groups.ts';
import { namesIn } from './releases.ts';
import type { Releases } from './releases.ts';
import { QUESTION, questionOf } from '../life/questions.ts';
import type { Outcome, Progress, TaskQuestion } from '../types.ts';
import type { AnswerInit, AttemptName, BeginInit, Work } from '../worker/work-types.ts';

/** The way to one agent. */
export interface Road {
  /** @throws what the worker's node says against it, STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  begin(init: Omit<BeginInit, 'agent'>): Promise<Outcome>;
  /** `isAgain`: the question before had no answer. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT, … */
  follow(name: AttemptName, seen: number, isAgain: boolean): Promise<Outcome>;
  /** What the agent has asked. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT, … */
  answer(init: AnswerInit): Promise<void>;
  /** Never rejects. */
  end(name: AttemptName): Promise<void>;
  /** What came of an attempt was taken: its node may forget it, and hears so with others, a moment later. */
  release(name: AttemptName): void;
}

/** An attempt that has ended, by the word of the worker's node or for want of one. */
export type Final = Exclude<Outcome, { readonly state: 'running' | 'asks' | 'unknown' }>;

const taint = z.enum(['trusted', 'external']).optional().catch(undefined);
const OUTCOME = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('running'),
    taint,
    news: z.number().int().min(0),
    progress: z
      .object({
        part: z.number().min(0).max(1).optional().catch(undefined),
        text: z.string().max(WORDS_MAX).optional().catch(undefined),
      })
      .optional()
      .catch(undefined),
  }),
  z.object({
    state: z.literal('asks'),
    taint,
    news: z.number().int().min(0),
    question: QUESTION,
  }),
  z.object({
    state: z.literal('done'),
    taint,
    result: anyJson,
    ballot: z.string().max(BALLOT_LENGTH_MAX).optional().catch(undefined),
  }),
  z.object({
    state: z.literal('failed'),
    taint,
    reason: z.string().max(64).catch('failed'),
    message: z.string().max(WORDS_MAX).catch('it does not say why'),
    answered: z.boolean().catch(false),
  }),
  z.object({ state: z.literal('unknown'), taint }),
]);

/** What the way to an agent of this node needs. */
export interface LocalRoadInit {
  readonly principal: Principal;
  readonly agent: string;
  /** The session that has submitted the task, while it is there. */
  readonly session: string | undefined;
  readonly signal: AbortSignal;
}

/** The way to an agent of this node. */
export function localRoad(work: Work, { principal, agent, session, signal }: LocalRoadInit): Road {
  return {
    begin: (init) => work.begin(principal, { ...init, agent, session }),
    follow: (name, seen) => work.follow(principal, { ...name, seen, waitMs: FOLLOW_MS }, signal),
    answer: async (init) => {
      work.answer(principal, init);
    },
    end: async (name) => work.end(principal, name),
    release: (name) => work.end(principal, name),
  };
}

/** Calls a tool of a peer's built-in server. */
export type CallPeer = (peer: PeerView, call: PeerToolCall) => Promise<JsonObject>;

/** What the way to a peer's agent needs. */
export interface PeerRoadInit {
  readonly peer: PeerView;
  readonly principal: Principal;
  readonly agent: string;
  readonly callPeer: CallPeer;
  readonly releases: Releases;
  readonly groups: AttemptGroups;
  /** Tells submitters apart. */
  readonly submitter: string;
  /** The zone of the peer: what it says is trusted no more than that. */
  readonly zone: Zone;
}

/** The way to an agent of a peer. */
export function peerRoad(init: PeerRoadInit): Road {
  const { peer, principal, agent, callPeer, groups, releases, submitter, zone } = init;
  const send = (args: JsonObject, timeoutMs: number): Promise<JsonObject> =>
    callPeer(peer, {
      tool: 'task_attempt',
      args: { agentId: agent, ...args },
      principal,
      timeoutMs,
    });
  const read = (answer: unknown): Outcome => {
    const said = OUTCOME.safeParse(answer);
    if (said.success) return plain(said.data, zone);
    throw new StarlingError(
      'STARLING_PROTOCOL_VIOLATION',
      `peer ${peer.alias} says of a task what nobody can read`,
      { hint: 'update Starling there', data: { peer: peer.peerId } },
    );
  };
  const ask = async (args: JsonObject, timeoutMs: number): Promise<Outcome> =>
    read(await send(args, timeoutMs));
  const whose = `${peer.peerId} ${submitter}`;
  const end = ([first, ...others]: readonly AttemptName[]): Promise<void> => {
    if (first === undefined) return Promise.resolve();
    const { taskId, token } = first;
    const more = others.length === 0 ? {} : { others: namesIn(others) };
    return ask({ op: 'end', taskId, token, ...more }, BEGIN_MS).then(
      () => undefined,
      // The lease ends it where the word does not come through.
      () => undefined,
    );
  };
  return {
    begin: ({ taskId, token, input, timeoutMs, metadata, taint: of }) =>
      groups.ask({
        peer: peer.peerId,
        group: `begin ${whose} ${agent}`,
        head: { op: 'begin' },
        args: {
          taskId,
          token,
          input,
          timeoutMs,
          metadata,
          ...(of === undefined ? {} : { taint: of }),
        },
        send: (args) => send(args, BEGIN_MS),
        read,
      }),
    follow({ taskId, token }, seen, isAgain) {
      const waitMs = isAgain ? 0 : FOLLOW_MS;
      const way = isAgain ? FOLLOW_AGAIN_MS : FOLLOW_WAY_MS;
      return groups.ask({
        peer: peer.peerId,
        group: `follow ${whose} ${waitMs}`,
        head: { op: 'follow', waitMs },
        args: { taskId, token, seen },
        send: (args) => send(args, waitMs + way),
        read,
        nothingNew: { state: 'running', news: seen },
      });
    },
    answer: async ({ taskId, token, key, answer }) => {
      await ask({ op: 'answer', taskId, token, key, answer }, BEGIN_MS);
    },
    end: (name) => end([name]),
    release: (name) => releases.add({ group: whose, name, tell: end }),
  };
}

/** What a peer says, and that it is trusted no more than the peer, nor than the peer says itself. */
function plain({ taint: said, ...read }: z.infer<typeof OUTCOME>, zone: Zone): Outcome {
  if (read.state === 'unknown') return read;
  const worst = worstTaint(said, zone);
  const taint = worst === undefined ? {} : { taint: worst };
  if (read.state === 'asks') return { ...read, ...taint, question: questionOf(read.question) };
  if (read.state === 'done') {
    const { ballot, result, state } = read;
    return { state, result, ...taint, ...(ballot === undefined ? {} : { ballot }) };
  }
  if (read.state === 'failed') return { ...read, ...taint };
  const { part, text } = read.progress ?? {};
  const progress: Progress = {
    ...(part === undefined ? {} : { part }),
    ...(text === undefined ? {} : { text }),
  };
  return { ...read, ...taint, progress: progress };
}

/** What following heeds. */
export interface FollowingInit {
  readonly name: AttemptName;
  /** What was said of it last, when it began; absent where that is not known. */
  readonly begun?: Outcome | undefined;
  /** True where nobody wants to know any more. */
  readonly isOver: () => boolean;
  /** Rejects when the worker's node is believed to be gone. */
  readonly gone: Promise<never>;
  /** With what the agent's words may be made of; so is what it asks. */
  readonly heard: (progress: Progress, taint: Taint | undefined) => void;
  /** It waits for somebody, or does no more. */
  readonly paused: (question: TaskQuestion | undefined, taint: Taint | undefined) => void;
  readonly clock: Clock;
  /** How long the attempt may take, ms; the worker's node is told as well, and need not be believed. */
  readonly timeoutMs: number;
}

/**
 * Asks until the attempt has ended, or nothing comes from the worker's node any more: at a lost connection at once, at
 * silence after two questions. Undefined when it is over.
 */
export async function followToEnd(road: Road, init: FollowingInit): Promise<Final | undefined> {
  const { clock, timeoutMs } = init;
  let cancel = (): void => undefined;
  let tooLong: (final: Final) => void = () => undefined;
  const late = new Promise<Final>((resolve) => {
    tooLong = resolve;
  });
  const runs = (): void => {
    cancel = clock.schedule(timeoutMs + FOLLOW_WAY_MS, () =>
      tooLong(lost('its node says that it works, longer than it may')),
    );
  };
  runs();
  let hasEnded = false;
  const following = follow(road, {
    ...init,
    isOver: () => hasEnded || init.isOver(),
    paused(question, of) {
      // While it waits for somebody, nobody works.
      cancel();
      if (question === undefined) runs();
      init.paused(question, of);
    },
  });
  try {
    return await Promise.race([following, late]);
  } finally {
    cancel();
    hasEnded = true;
  }
}

async function follow(
  road: Road,
  { name, begun, isOver, gone, heard, paused, clock }: FollowingInit,
): Promise<Final | undefined> {
  let known = begun;
  let seen = 0;
  let hasty = 0;
  let isAgain = false;
  let asked: string | undefined;
  while (!isOver()) {
    try {
      const askedAt = clock.now();
      const said = known ?? (await Promise.race([road.follow(name, seen, isAgain), gone]));
      known = undefined;
      isAgain = false;
      if (said.state === 'unknown') return lost('its node does not know the task any more');
      if (said.state !== 'running' && said.state !== 'asks') return said;
      if (said.news !== seen && said.progress !== undefined) heard(said.progress, said.taint);
      const question = said.state === 'asks' ? said.question : undefined;
      if (said.news !== seen && question?.key !== asked) {
        asked = question?.key;
        paused(question, said.taint);
      }
      const before = seen;
      seen = said.news;
      // A node that has news without end is asked no faster than this; of others of its group it may have some.
      const isHasty = said.news !== before && clock.now() - askedAt < FOLLOW_PACE_MS;
      hasty = isHasty ? hasty + 1 : 0;
      if (hasty > HASTY_MAX) await pause(clock, FOLLOW_PACE_MS);
    } catch (error) {
      const isSilent = error instanceof StarlingError && error.code === 'STARLING_TIMEOUT';
      if (!isSilent || isAgain) return isOver() ? undefined : lost(messageOf(error));
      isAgain = true;
    }
  }
  return undefined;
}

/** The worker is gone, and nobody knows what came of the attempt. */
export function lost(message: string): Final {
  return { state: 'failed', reason: 'lost', message, answered: false };
}
