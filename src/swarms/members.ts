/** Who a swarm is to have: what is wanted is known, and the caller's to give, before anything begins. */
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import { parseAddress } from '../agents/index.ts';
import type { Agents, AgentView } from '../agents/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import { SWARM_AGENTS_MAX, THRESHOLD } from './limits.ts';
import { refusedSwarm } from './swarm-errors.ts';
import type { Lacking, Role, Seat, Topology } from './types.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Kinds that ship as prompts, and need a model. */
const OF_MODELS: readonly string[] = ['coordinator', 'researcher', 'coder'];

/** What finding members takes. */
export interface MembersComponents {
  readonly agents: Pick<Agents, 'list' | 'owns'>;
  /** Kinds of agents that the configuration names. */
  kinds(this: void): readonly string[];
  readonly membership: Pick<Membership, 'byAlias' | 'find'>;
  readonly node: { readonly name: string; readonly did: Did };
}

/** An agent that a swarm is to have. */
export interface MemberInit {
  /** A kind that this node runs, where there is no agent of the name. */
  readonly type?: string | undefined;
  /** An agent, `<agent>` here or `<agent>@<node>`; or the name of one to be run. */
  readonly agent?: string | undefined;
  readonly role?: Role | undefined;
}

/** A swarm as somebody wants to have it. */
export interface SwarmInit {
  readonly name?: string | undefined;
  readonly topology: Topology;
  readonly members: readonly MemberInit[];
  readonly maxAgents?: number | undefined;
  readonly threshold?: number | undefined;
  /** What its members' work counts against: a budget, so much of one, or so much. */
  readonly budget?: string | undefined;
}

/** An agent that is there, or is to be run. */
export interface Wanted extends Pick<Seat, 'agent' | 'did' | 'kind' | 'role'> {
  readonly isNew: boolean;
}

/** @throws STARLING_USAGE, STARLING_AGENT_UNKNOWN, STARLING_SWARM_REFUSED for what is not the caller's */
export async function wantedMembers(
  components: MembersComponents,
  principal: Principal,
  members: readonly MemberInit[],
  swarmId: string,
): Promise<{ readonly wanted: readonly Wanted[]; readonly lacking: readonly Lacking[] }> {
  const wanted: Wanted[] = [];
  const lacking: Lacking[] = [];
  for (const member of members) {
    const found = await memberOf(components, principal, member, swarmId);
    if ('reason' in found) lacking.push(found);
    else if (wanted.some(({ agent, did }) => agent === found.agent && did === found.did)) {
      throw usage(`the swarm would have the agent ${found.agent} twice`);
    } else wanted.push(found);
  }
  return { wanted, lacking };
}

async function memberOf(
  { agents, kinds, membership, node }: MembersComponents,
  principal: Principal,
  { agent, role, type }: MemberInit,
  swarmId: string,
): Promise<Wanted | Lacking> {
  const named = agent ?? type;
  if (named === undefined) throw usage('a member has an agent, or a type');
  const address = parseAddress(named);
  const does = role ?? (type === 'coordinator' ? 'coordinator' : 'worker');
  if (address.node !== undefined && address.node !== node.name) {
    const peer = membership.byAlias(address.node);
    if (peer === undefined) throw unknownAgent(named, `no peer is called ${address.node}`);
    return { agent: address.name, did: peer.did, kind: type ?? 'agent', role: does, isNew: false };
  }
  const listed = await agents.list(principal, { agentId: address.name, here: true });
  const view: AgentView | undefined = listed.agents[0];
  if (view !== undefined) {
    if (principal.kind !== 'operator' && !agents.owns(principal, view.name)) {
      const why = `the agent ${view.name} is not the caller's, and in a swarm others could write to it`;
      throw refusedSwarm(swarmId, 'owner', why, { agentId: view.name });
    }
    return { agent: view.name, did: node.did, kind: type ?? view.kind, role: does, isNew: false };
  }
  if (type !== undefined && kinds().includes(type)) {
    return { agent: address.name, did: node.did, kind: type, role: does, isNew: true };
  }
  if (type !== undefined && OF_MODELS.includes(type)) {
    const message = `the kind ${type} is a prompt over a model, and this node has no model`;
    return { type, name: address.name, reason: 'model', message };
  }
  const what = type === undefined ? 'agent' : 'agent of this name, and no kind';
  throw unknownAgent(named, `this node has no ${what} '${type ?? named}'`);
}

/** @throws STARLING_USAGE */
export function checkInit(
  { members, threshold = THRESHOLD }: SwarmInit,
  { name, maxAgents }: { readonly name: string; readonly maxAgents: number },
): void {
  if (!NAME.test(name)) throw usage(`'${name.slice(0, 64)}' is no name of a swarm`);
  if (members.length > maxAgents) {
    throw usage(`the swarm may have ${maxAgents} agents, and is to begin with ${members.length}`);
  }
  if (maxAgents > SWARM_AGENTS_MAX)
    throw usage(`a swarm has ${SWARM_AGENTS_MAX} agents at the most`);
  if (!(threshold > 0.5 && threshold <= 1)) {
    throw usage(
      'consensusThreshold is more than 0.5, so that two choices never both have it, and 1 at the most',
    );
  }
}

function usage(why: string): StarlingError {
  return new StarlingError('STARLING_USAGE', why, { hint: 'see: starling swarm create --help' });
}

function unknownAgent(agentId: string, why: string): StarlingError {
  return new StarlingError('STARLING_AGENT_UNKNOWN', why, {
    hint: 'see which there are: starling agent list',
    data: { agentId: agentId.slice(0, 128), reason: 'unknown' },
  });
}
