/**
 * Who does what is asked for by capability: two candidates by lot, asked on the spot how much they can take, the freer one
 * first; and the others after it while nobody has done it. Loads that heartbeats tell are seconds old, and would send
 * everybody to the same one.
 */
import { StarlingError, messageOf, printable } from '../../core/index.ts';
import type { Clock, Json, JsonObject, PeerId } from '../../core/index.ts';
import { OFFER_KIND } from '../../directory/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Breakers } from './breakers.ts';
import { fits, inOrder, standingOf } from './order.ts';
import type { OrderComponents, Wishes } from './order.ts';
import { kindOf } from '../capabilities/names.ts';
import { definitionFor, misfits } from '../capabilities/schemas.ts';
import { capabilitiesLike } from './search.ts';
import { hedged } from './hedge.ts';
import { BREAKER_FAILURES, HEDGE_DEFAULT_MS, HEDGE_MIN_MS } from '../limits.ts';
import { misfit } from '../messages/queries.ts';
import type {
  AgentListResult,
  AgentMessageResult,
  AgentView,
  Announcement,
  CapabilityDefinition,
  CapabilityResult,
  MessageInit,
} from '../types.ts';

/** The kind of an agent whose program names none. */
const ANY_KIND = 'attached';
/** Candidates that are tried, at the most. */
const TRIED_MAX = 5;
/** Reasons for which another agent may do what this one did not. */
const ELSEWHERE: readonly unknown[] = ['ended', 'full', 'stopped', 'unknown', 'refused', 'input'];

/** What somebody wants done. */
export interface CapabilityInit extends Omit<Wishes, 'capability'> {
  /** A name, or a name with a version or a range of versions. */
  readonly capability?: string | undefined;
  /** In place of the name: words that say what is wanted. */
  readonly like?: string | undefined;
  readonly parameters: Json;
  readonly timeoutMs?: number | undefined;
  readonly correlationId?: string | undefined;
}

/** What choosing works with. */
export interface CapabilityComponents extends OrderComponents {
  list(
    principal: Principal,
    init: { capability?: string; agentId?: string },
  ): Promise<AgentListResult>;
  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult>;
  readonly breakers: Breakers;
  readonly clock: Clock;
}

/** Has a capability's request done by one of those who have it. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED, … */
export async function requestCapability(
  components: CapabilityComponents,
  principal: Principal,
  init: CapabilityInit,
  signal: AbortSignal,
): Promise<CapabilityResult> {
  const capability = init.capability ?? (await nearestTo(components, principal, init.like));
  const wanted = { ...init, capability };
  const { fit, candidates } = await candidatesFor(components, principal, wanted);
  return new Request({ components, principal, init: wanted, fit, signal }).run(candidates);
}

/** The capability that is like some words. @throws STARLING_USAGE, STARLING_AGENT_UNKNOWN */
async function nearestTo(
  components: CapabilityComponents,
  principal: Principal,
  like: string | undefined,
): Promise<string> {
  if (like === undefined) {
    throw new StarlingError('STARLING_USAGE', 'say what is to be done: capability, or like');
  }
  const { agents } = await components.list(principal, {});
  const online = agents.filter(({ status }) => status === 'online');
  const [nearest] = capabilitiesLike(online, like);
  if (nearest === undefined) throw nothingLike(like);
  return nearest;
}

/** Who wants what, of those that could do it. */
interface RequestInit {
  readonly components: CapabilityComponents;
  readonly principal: Principal;
  readonly init: CapabilityInit & { readonly capability: string };
  readonly fit: readonly AgentView[];
  readonly signal: AbortSignal;
}

/** What one candidate refused. */
interface Refusal {
  readonly agent: string;
  readonly reason: string;
}

/** One request on its way from candidate to candidate. */
class Request {
  readonly #request: RequestInit;
  readonly #refusals: Refusal[] = [];
  #tried = 0;
  /** The first that held the parameters against its schema, and found them wrong. */
  #misfit: StarlingError | undefined;
  #isOnlyMisfits = true;

  constructor(request: RequestInit) {
    this.#request = request;
  }

  /** @throws STARLING_AGENT_FAILED with what each candidate said */
  async run(candidates: readonly AgentView[]): Promise<CapabilityResult> {
    const { capability } = this.#request.init;
    const left = [...candidates];
    for (let agent = this.#next(left); agent !== undefined; agent = this.#next(left)) {
      const answer = await this.#ask(agent, left);
      if (answer !== undefined) return answer;
    }
    const refusals = [...this.#refusals];
    if (this.#misfit !== undefined && this.#isOnlyMisfits) {
      throw withRefusals(this.#misfit, capability, refusals);
    }
    const all = refusals.map(({ agent, reason }) => `${agent}: ${reason}`).join('; ');
    throw new StarlingError('STARLING_AGENT_FAILED', `nobody did '${capability}': ${all}`, {
      data: { capability, reason: 'refused', refusals },
    });
  }

  /** The next that may be asked now. */
  #next(left: AgentView[]): AgentView | undefined {
    const { breakers } = this.#request.components;
    while (this.#tried < TRIED_MAX) {
      const agent = left.shift();
      if (agent === undefined) return undefined;
      const shut = shutOf(breakers, agent);
      if (shut === undefined) {
        this.#tried += 1;
        return agent;
      }
      this.#isOnlyMisfits = false;
      this.#refusals.push({ agent: agent.endpoint, reason: shut });
    }
    return undefined;
  }

  /** The answer of `agent`, or of the next one where that is sooner; undefined where others may be asked. */
  async #ask(agent: AgentView, left: AgentView[]): Promise<CapabilityResult | undefined> {
    const { components, init, signal } = this.#request;
    const definition = definitionFor(agent, init.capability);
    if (definition?.readOnly !== true || left.length === 0) return this.#askOne(agent, signal);
    const average = agent.metrics.avgResponseTime;
    const waitMs = average === undefined ? HEDGE_DEFAULT_MS : Math.max(HEDGE_MIN_MS, average * 2);
    return hedged(
      { clock: components.clock, waitMs, signal },
      (own) => this.#askOne(agent, own),
      (own) => {
        const second = this.#next(left);
        return second === undefined ? undefined : this.#askOne(second, own);
      },
    );
  }

  async #askOne(agent: AgentView, signal: AbortSignal): Promise<CapabilityResult | undefined> {
    const { components, principal, init, fit } = this.#request;
    const { capability } = init;
    for (const key of keysOf(agent)) components.breakers.begins(key);
    try {
      const definition = await this.#definitionOf(agent);
      requireFit(agent, definition?.input, init.parameters, 'parameters');
      const answer = await components.message(principal, messageTo(agent, init), signal);
      for (const key of keysOf(agent)) components.breakers.succeeded(key);
      const result = answer.response ?? null;
      requireFit(agent, definition?.output, result, 'result');
      return { capability, result, ...answer, endpoint: agent.endpoint };
    } catch (error) {
      // Somebody else was sooner, or nobody waits any more: what this one says is no fault of it.
      if (signal.aborted && !this.#request.signal.aborted) return undefined;
      count(components.breakers, agent, error);
      this.#refusals.push({ agent: agent.endpoint, reason: messageOf(error) });
      if (isMissing(error)) noteLacking(components, agent, fit, capability);
      if (isMisfit(error)) this.#misfit ??= error as StarlingError;
      else this.#isOnlyMisfits = false;
      if (!signal.aborted && mayTryNext(error)) return undefined;
      throw withRefusals(error, capability, this.#refusals);
    }
  }

  /** Lists say that there are schemas; which, the agent's node says when it is asked about that one. */
  async #definitionOf(agent: AgentView): Promise<CapabilityDefinition | undefined> {
    const { components, init } = this.#request;
    const known = definitionFor(agent, init.capability);
    if (known?.typed !== true) return known;
    // Where it can't be asked, its own node still holds the request against its schemas.
    const whole = await components.ask(agent).catch(() => undefined);
    return whole === undefined ? undefined : definitionFor(whole, init.capability);
  }
}

/** @throws STARLING_AGENT_FAILED */
function requireFit(
  { endpoint }: AgentView,
  schema: JsonObject | undefined,
  value: Json,
  what: 'parameters' | 'result',
): void {
  const problems = misfits(schema, value, what);
  if (problems.length > 0) throw misfit(endpoint, what, problems);
}

function isMisfit(error: unknown): boolean {
  return error instanceof StarlingError && error.data['reason'] === 'input';
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
  components: Pick<CapabilityComponents, 'list' | 'ask' | 'clock' | 'lacking' | 'random'>,
  principal: Principal,
  init: Wishes,
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

function messageTo(
  agent: AgentView,
  init: CapabilityInit & { readonly capability: string },
): MessageInit {
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

function nothingLike(like: string): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_UNKNOWN',
    `no capability that this node may ask for is like '${printable(like)}'`,
    { hint: 'see who can do what: starling capability list', data: { reason: 'unknown' } },
  );
}

function nobody(capability: string, agents: readonly AgentView[]): StarlingError {
  const states = agents.map(({ endpoint, status }) => `${endpoint} is ${status}`).join(', ');
  const why = states === '' ? 'nobody that this node may ask has it' : states;
  return new StarlingError('STARLING_AGENT_UNKNOWN', `no agent for '${capability}': ${why}`, {
    hint: 'see who can do what: starling capability list',
    data: { capability, reason: 'unknown' },
  });
}
