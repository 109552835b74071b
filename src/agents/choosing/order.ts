/** Which of the agents that could do something are asked, and in which order. */
import { createHash } from 'node:crypto';
import { settledWithin } from '../../core/index.ts';
import type { Clock, PeerId, Random } from '../../core/index.ts';
import type { Lacking, Standing } from '../../directory/index.ts';
import { kindOf } from '../capabilities/names.ts';
import type { AgentView } from '../types.ts';

/** Candidates that are asked at a time how much they can take. */
const ASKED = 2;
/** How often so many are asked while none of them has a place left. More = a shorter wait for a place, and more questions for each request. */
const ROUNDS = 2;
/**
 * Once one has said that it has a place, the others of its round have so long to answer, ms. More = who is far away is
 * chosen as often as who is near; less = a node that sleeps, and is not missed yet, holds up what two are asked about for
 * less long.
 */
const GRACE_MS = 250;

/** By what candidates are compared. */
export interface OrderComponents {
  /** How much one agent can take now. */
  ask(agent: AgentView): Promise<AgentView | undefined>;
  readonly clock: Clock;
  readonly random: Random;
  /** Who lacked what it claimed: it comes after the others, and is left out where there are others. */
  readonly lacking: Lacking;
}

/** Whom somebody wants. */
export interface Wishes {
  readonly capability: string;
  /** `+gpu` prefers agents whose tags have it, `-slow` avoids them, `eu` takes no others. */
  readonly tags?: readonly string[] | undefined;
  /** An agent or a node that is tried first. */
  readonly prefer?: string | undefined;
  /** Equal keys go to the same agent while that one lives. */
  readonly affinity?: string | undefined;
}

/** What was found of the agent's node when it was last asked for this. */
export function standingOf(
  { lacking }: Pick<OrderComponents, 'lacking'>,
  { machine_id: node, name }: AgentView,
  capability: string,
): Standing {
  return lacking.standing(node as PeerId, `agent:${name}/${kindOf(capability)}`);
}

/**
 * The preferred one, then those by lot that were asked, the freer first, then the rest by lot. What a list says of places
 * that are free decides nothing: it is seconds old, and all that comes until the next list would go to the few that were
 * free when it was made.
 */
export async function inOrder(
  components: OrderComponents,
  fit: readonly AgentView[],
  { affinity, capability, prefer, tags = [] }: Wishes,
): Promise<readonly AgentView[]> {
  if (affinity !== undefined) return byAffinity(fit, affinity);
  const rank = (agent: AgentView): number =>
    (isPreferred(agent, prefer) ? -100 : 0) +
    (standingOf(components, agent, capability) === 'last' ? 50 : 0) +
    wishesOf(agent, tags);
  const lot = fit
    .map((agent) => ({ agent, rank: rank(agent), at: components.random() }))
    .toSorted((one, other) => one.rank - other.rank || one.at - other.at);
  const agents = lot.map(({ agent }) => agent);
  const best = lot.filter(({ rank: own }) => own === lot[0]?.rank).length;
  if (best < ASKED) return agents;
  const asked = await freestOf(components, agents.slice(0, best));
  return [...asked, ...agents.filter((agent) => !isAmong(agent, asked))];
}

/** The first two, by what they can take at this moment; two more are asked where neither has a place. */
async function freestOf(
  components: Pick<OrderComponents, 'ask' | 'clock'>,
  lot: readonly AgentView[],
): Promise<readonly AgentView[]> {
  const asked: AgentView[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    asked.push(...(await answersOf(components, lot.slice(asked.length, asked.length + ASKED))));
    if (asked.some(({ free }) => free > 0)) break;
  }
  return asked.toSorted((one, other) => other.free - one.free || crowding(one) - crowding(other));
}

/** What each says that it can take. Whoever does not answer, or too late, comes after those that do. */
async function answersOf(
  { ask, clock }: Pick<OrderComponents, 'ask' | 'clock'>,
  agents: readonly AgentView[],
): Promise<readonly AgentView[]> {
  const answers = agents.map((agent) => ({ ...agent, free: -1 }));
  let waiting = agents.length;
  const places = agents.map(async (agent, at) => {
    const answer = await ask(agent).catch(() => undefined);
    waiting -= 1;
    if (answer !== undefined) answers[at] = answer;
    if (answer === undefined || answer.free <= 0) throw new Error('no place');
  });
  const all = Promise.allSettled(places);
  const hasPlace = await Promise.any(places).then(
    () => true,
    () => false,
  );
  if (hasPlace && waiting > 0) await settledWithin(GRACE_MS, all, clock);
  return [...answers];
}

/** How busy it is for what it takes at a time: tells apart those that have no place left. */
function crowding({ busy, maxConcurrentTasks }: AgentView): number {
  return busy / Math.max(1, maxConcurrentTasks);
}

function isAmong({ endpoint }: AgentView, some: readonly AgentView[]): boolean {
  return some.some((one) => one.endpoint === endpoint);
}

function isPreferred({ endpoint, id, name, node }: AgentView, prefer: string | undefined): boolean {
  return prefer !== undefined && [endpoint, id, name, node].includes(prefer);
}

/** True for an agent that has each tag which is insisted on. */
export function fits({ tags }: AgentView, wanted: readonly string[]): boolean {
  return wanted.every((tag) => /^[+-]/.test(tag) || tags.includes(tag));
}

/** Less is better. */
function wishesOf({ tags }: AgentView, wanted: readonly string[]): number {
  return wanted
    .filter((tag) => /^[+-]/.test(tag) && tags.includes(tag.slice(1)))
    .reduce((sum, tag) => sum + (tag.startsWith('+') ? -1 : 1), 0);
}

/**
 * By rendezvous (Thaler and Ravishankar 1998): each agent has a weight for the key, and the heaviest that lives is asked;
 * where one goes, only its keys go elsewhere. Every node reckons the same, since it takes what all call alike.
 */
function byAffinity(fit: readonly AgentView[], key: string): readonly AgentView[] {
  return fit
    .map((agent) => ({ agent, weight: weightOf(agent, key) }))
    .toSorted((one, other) => (one.weight < other.weight ? 1 : -1))
    .map(({ agent }) => agent);
}

function weightOf({ machine_id, name }: AgentView, key: string): string {
  return createHash('sha256').update(`${key}\n${machine_id}\n${name}`).digest('hex');
}
