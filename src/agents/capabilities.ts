/**
 * Who does what is asked for by capability: two candidates by lot, asked on the spot how much they can take, the freer one
 * first; and the others after it while nobody has done it. Loads that heartbeats tell are seconds old, and would send
 * everybody to the same one.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Json, JsonObject, PeerId, Random } from '../core/index.ts';
import { OFFER_KIND } from '../directory/index.ts';
import type { Lacking, Standing } from '../directory/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Breakers } from './breakers.ts';
import { BREAKER_FAILURES } from './limits.ts';
import type { MessageInit } from './messages.ts';
import type {
  AgentListResult,
  AgentMessageResult,
  AgentView,
  Announcement,
  CapabilityResult,
} from './types.ts';

/** The kind of an agent whose program names none. */
const ANY_KIND = 'attached';
/** Candidates that are tried, at the most. */
const TRIED_MAX = 5;
/** Candidates that are asked how much they can take. */
const ASKED = 2;
/** Reasons for which another agent may do what this one did not. */
const ELSEWHERE: readonly unknown[] = ['ended', 'full', 'stopped', 'unknown', 'refused'];

/** What somebody wants done. */
export interface CapabilityInit {
  /** A name, or a name with a version. */
  readonly capability: string;
  readonly parameters: Json;
  readonly timeoutMs?: number | undefined;
  /** `+gpu` prefers agents whose tags have it, `-slow` avoids them, `eu` takes no others. */
  readonly tags?: readonly string[] | undefined;
  /** An agent or a node that is tried first. */
  readonly prefer?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** What choosing works with. */
export interface CapabilityComponents {
  list(
    principal: Principal,
    init: { capability: string; agentId?: string },
  ): Promise<AgentListResult>;
  /** How much one agent can take now. */
  ask(agent: AgentView): Promise<AgentView | undefined>;
  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult>;
  readonly breakers: Breakers;
  readonly random: Random;
  /** Who lacked what it claimed: it comes after the others, and is left out where there are others. */
  readonly lacking: Lacking;
}

/** Has a capability's request done by one of those who have it. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED, … */
export async function requestCapability(
  components: CapabilityComponents,
  principal: Principal,
  init: CapabilityInit,
  signal: AbortSignal,
): Promise<CapabilityResult> {
  const { capability } = init;
  const { fit, candidates } = await candidatesFor(components, principal, init);
  const refusals: { agent: string; reason: string }[] = [];
  let tried = 0;
  for (const agent of candidates) {
    const shut = shutOf(components.breakers, agent);
    if (shut !== undefined) {
      refusals.push({ agent: agent.endpoint, reason: shut });
      continue;
    }
    if (tried === TRIED_MAX) break;
    tried += 1;
    for (const key of keysOf(agent)) components.breakers.begins(key);
    try {
      const answer = await components.message(principal, messageTo(agent, init), signal);
      for (const key of keysOf(agent)) components.breakers.succeeded(key);
      return { capability, result: answer.response ?? null, ...answer, endpoint: agent.endpoint };
    } catch (error) {
      count(components.breakers, agent, error);
      refusals.push({ agent: agent.endpoint, reason: messageOf(error) });
      if (isMissing(error)) noteLacking(components, agent, fit, capability);
      if (signal.aborted || !mayTryNext(error)) throw withRefusals(error, capability, refusals);
    }
  }
  const all = refusals.map(({ agent, reason }) => `${agent}: ${reason}`).join('; ');
  throw new StarlingError('STARLING_AGENT_FAILED', `nobody did '${capability}': ${all}`, {
    data: { capability, reason: 'refused', refusals },
  });
}

/** Those that may do it. */
export interface Candidates {
  /** Those that have the capability, are online and have the tags. */
  readonly fit: readonly AgentView[];
  /** Those to be tried, in this order. */
  readonly candidates: readonly AgentView[];
}

/**
 * Finds who may do what is asked for, and in which order to try them; asks two of them how much they can take.
 * @throws STARLING_AGENT_UNKNOWN where nobody can do it
 */
export async function candidatesFor(
  components: Pick<CapabilityComponents, 'list' | 'ask' | 'lacking' | 'random'>,
  principal: Principal,
  init: Pick<CapabilityInit, 'capability' | 'tags' | 'prefer'>,
): Promise<Candidates> {
  const { capability } = init;
  const { agents } = await components.list(principal, { capability });
  const fit = agents.filter((agent) => agent.status === 'online' && fits(agent, init.tags ?? []));
  if (fit.length === 0) throw nobody(capability, agents);
  const able = fit.filter((agent) => standingOf(components, agent, capability) !== 'passed over');
  const candidates = await inOrder(components, able.length > 0 ? able : fit, init);
  return { fit, candidates };
}

/** An agent fails by itself, or its node is not reached: each has a breaker. */
function keysOf({ endpoint, node }: AgentView): readonly [agent: string, node: string] {
  return [endpoint, `@${node}`];
}

/** Why an agent is not asked now; undefined where it is. */
function shutOf(breakers: Breakers, agent: AgentView): string | undefined {
  const keys = keysOf(agent);
  const shut = keys.find((key) => !breakers.allows(key));
  if (shut === undefined) return undefined;
  const leftS = Math.ceil(breakers.openMs(shut) / 1000);
  return `it failed ${BREAKER_FAILURES} times in a row, and is asked again in ${leftS} s`;
}

/** What an agent has answered is no failure of it, whatever it says; neither is that it is full, or has no such agent. */
function count(breakers: Breakers, agent: AgentView, error: unknown): void {
  const [own, node] = keysOf(agent);
  for (const key of [own, node]) breakers.ends(key);
  if (!(error instanceof StarlingError)) return;
  const reason = error.data['reason'];
  if (error.code === 'STARLING_PEER_UNREACHABLE') breakers.failed(node);
  else if (error.code === 'STARLING_TIMEOUT' || reason === 'timeout' || reason === 'ended') {
    breakers.failed(own);
  } else for (const key of [own, node]) breakers.succeeded(key);
}

/**
 * What of these agents a node offers to all members: the kinds and capabilities of those that every member may see,
 * without versions, as far as they are kinds of capability (small letters).
 */
export function offersOf(
  agents: readonly { readonly announcement: Announcement; readonly stopped: boolean }[],
): readonly string[] {
  const seen = agents.filter(({ announcement, stopped }) => announcement.listed && !stopped);
  const words = seen.flatMap(({ announcement: { kind, capabilities } }) => [
    ...(kind === ANY_KIND ? [] : [kind]),
    ...capabilities.map(kindOf),
  ]);
  return [...new Set(words)].filter((word) => OFFER_KIND.test(word)).toSorted();
}

/** What is asked for stands in the node's offers without a version. */
function kindOf(capability: string): string {
  return capability.split('@', 1)[0] ?? capability;
}

function standingOf(
  { lacking }: Pick<CapabilityComponents, 'lacking'>,
  { machine_id: node, name }: AgentView,
  capability: string,
): Standing {
  return lacking.standing(node as PeerId, `agent:${name}/${kindOf(capability)}`);
}

/** The agent is not there, or not for this: its node lacks the capability, unless another agent there has it. */
function noteLacking(
  { lacking }: Pick<CapabilityComponents, 'lacking'>,
  { machine_id: node, name }: AgentView,
  fit: readonly AgentView[],
  capability: string,
): void {
  const kind = kindOf(capability);
  lacking.lacks(node as PeerId, `agent:${name}/${kind}`);
  if (fit.filter(({ machine_id }) => machine_id === node).length === 1) {
    lacking.lacks(node as PeerId, kind);
  }
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  if (error.code === 'STARLING_AGENT_UNKNOWN') return true;
  return error.code === 'STARLING_AGENT_FAILED' && error.data['reason'] === 'unknown';
}

/** The preferred one, then the freer of two by lot, then the other, then the rest by lot. */
async function inOrder(
  components: Pick<CapabilityComponents, 'ask' | 'lacking' | 'random'>,
  fit: readonly AgentView[],
  { capability, prefer, tags = [] }: Pick<CapabilityInit, 'capability' | 'tags' | 'prefer'>,
): Promise<readonly AgentView[]> {
  const rank = (agent: AgentView): number =>
    (isPreferred(agent, prefer) ? -100 : 0) +
    (standingOf(components, agent, capability) === 'last' ? 50 : 0) +
    wishesOf(agent, tags) +
    (agent.free === 0 ? 0.5 : 0);
  const lot = fit
    .map((agent) => ({ agent, rank: rank(agent), at: components.random() }))
    .toSorted((one, other) => one.rank - other.rank || one.at - other.at);
  const best = lot.filter(({ rank: own }) => own === lot[0]?.rank).slice(0, ASKED);
  if (best.length < ASKED) return lot.map(({ agent }) => agent);
  const asked = await Promise.all(
    best.map(
      async ({ agent }) =>
        (await components.ask(agent).catch(() => undefined)) ?? { ...agent, free: -1 },
    ),
  );
  const first = asked.toSorted((one, other) => other.free - one.free);
  return [...first, ...lot.map(({ agent }) => agent).filter((agent) => !isAmong(agent, first))];
}

function isAmong({ endpoint }: AgentView, some: readonly AgentView[]): boolean {
  return some.some((one) => one.endpoint === endpoint);
}

function isPreferred({ endpoint, id, name, node }: AgentView, prefer: string | undefined): boolean {
  return prefer !== undefined && [endpoint, id, name, node].includes(prefer);
}

function fits({ tags }: AgentView, wanted: readonly string[]): boolean {
  return wanted.every((tag) => /^[+-]/.test(tag) || tags.includes(tag));
}

/** Less is better. */
function wishesOf({ tags }: AgentView, wanted: readonly string[]): number {
  return wanted
    .filter((tag) => /^[+-]/.test(tag) && tags.includes(tag.slice(1)))
    .reduce((sum, tag) => sum + (tag.startsWith('+') ? -1 : 1), 0);
}

function messageTo(agent: AgentView, init: CapabilityInit): MessageInit {
  const { capability, parameters, timeoutMs, correlationId } = init;
  const metadata: JsonObject = { capability };
  return {
    to: agent.endpoint,
    type: 'query',
    message: parameters,
    timeoutMs,
    correlationId,
    metadata,
  };
}

/** What failed in the doing is not done again by another: the work may have been half done. */
function mayTryNext(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  if (error.code === 'STARLING_CALL_REFUSED' || error.code === 'STARLING_AGENT_UNKNOWN')
    return true;
  if (error.code === 'STARLING_AGENT_FAILED') return ELSEWHERE.includes(error.data['reason']);
  return ['STARLING_LIMIT_EXCEEDED', 'STARLING_RATE_LIMITED', 'STARLING_PEER_UNREACHABLE'].includes(
    error.code,
  );
}

function withRefusals(
  error: unknown,
  capability: string,
  refusals: readonly { agent: string; reason: string }[],
): unknown {
  if (!(error instanceof StarlingError)) return error;
  const { code, hint, data, message } = error;
  return new StarlingError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    data: { ...data, capability, refusals },
    cause: error,
  });
}

function nobody(capability: string, agents: readonly AgentView[]): StarlingError {
  const states = agents.map(({ endpoint, status }) => `${endpoint} is ${status}`).join(', ');
  const why = states === '' ? 'nobody that this node may ask has it' : states;
  return new StarlingError('STARLING_AGENT_UNKNOWN', `no agent for '${capability}': ${why}`, {
    hint: 'see who can do what: starling capability list',
    data: { capability, reason: 'unknown' },
  });
}
