/**
 * Who is an agent, here and at peers, as far as somebody may know: an agent is seen by whoever may write to it, and by
 * all members where it is listed.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did, PeerId } from '../../core/index.ts';
import { OPERATOR, keyOf } from '../../guard/index.ts';
import type { Guard, GuardWanted, Principal } from '../../guard/index.ts';
import type { ToolSubject } from '../../gateway/index.ts';
import type { Membership } from '../../membership/index.ts';
import { kindOf, offers } from '../capabilities/names.ts';
import { withoutSchemas } from '../capabilities/schemas.ts';
import { agentResource, parseAddress } from '../names.ts';
import type { AgentAddress } from '../names.ts';
import type {
  AgentInfoResult,
  AgentListResult,
  AgentStanding,
  AgentView,
  CapabilityListResult,
} from '../types.ts';
import { unknownAgent } from './local-agents.ts';
import type { LocalAgents } from './local-agents.ts';
import { isNamed } from './peer-agents.ts';
import type { PeerAgents } from './peer-agents.ts';

/** What a directory reads from. */
export interface AgentDirectoryComponents {
  readonly self: { readonly name: string; readonly did: Did; readonly peerId: PeerId };
  readonly guard: () => Pick<Guard, 'decide'>;
  readonly membership: Pick<Membership, 'byAlias'>;
  readonly local: LocalAgents;
  readonly peers: PeerAgents;
  /** Who is meant by a link of a chain (`chainOf`); undefined for the operator. */
  readonly callerOf?: (this: void, link: string) => Principal | undefined;
  /** How far the policy trusts a caller, 0 to 1; absent: nothing is said of it. */
  readonly trustOf?: (this: void, principal: Principal) => number;
}

/** Which agents somebody wants to see. */
export interface ListInit {
  /** Default `all`. */
  readonly status?: 'online' | 'all' | undefined;
  readonly capability?: string | undefined;
  /** A name, a label, or either with its node. */
  readonly agentId?: string | undefined;
  /** Only those of this node. */
  readonly here?: boolean | undefined;
}

/** Which agent it is, and whose. */
export type AgentPlace = Pick<AgentView, 'name' | 'node'>;

/** As whom, and for what, somebody turns to an agent. */
interface How {
  readonly what: 'message' | 'task';
  /** The agent of the caller's own that it is; absent: any. */
  readonly from?: string | undefined;
}

const ABILITIES = { message: 'agent/message', task: 'agent/task' } as const;

/** The agents that one node knows. */
export class AgentDirectory {
  readonly #components: AgentDirectoryComponents;

  constructor(components: AgentDirectoryComponents) {
    this.#components = components;
  }

  /** Those that `principal` may see; a peer sees those of this node. */
  async list(principal: Principal, init: ListInit): Promise<AgentListResult> {
    const { peers } = this.#components;
    const { capability, agentId } = init;
    const isLocal = init.here === true || principal.kind === 'peer';
    const unreachable = isLocal ? [] : await peers.refresh();
    let agents = this.#fitting(principal, init, isLocal);
    const isWanting = capability !== undefined && !isLocal && !agents.some(isOnline);
    // Who is beyond what this node knows is looked for where nobody of those that it knows can do it.
    if (isWanting && (await peers.lookBeyond(kindOf(capability)))) {
      agents = this.#fitting(principal, init, isLocal);
    }
    const seen = principal.kind === 'peer' ? agents.map(withoutRun) : agents;
    // Schemas are long, and one agent is asked about where they are needed.
    const told = agentId === undefined ? seen.map(inLists) : seen;
    const shown = told.map((agent) => this.#trusted(agent));
    return { agents: shown, ...(unreachable.length === 0 ? {} : { unreachable }) };
  }

  /** Those that are wanted of what is known now. */
  #fitting(
    principal: Principal,
    { status = 'all', capability, agentId }: ListInit,
    isLocal: boolean,
  ): readonly AgentView[] {
    const all = isLocal ? this.#own() : [...this.#own(), ...this.#components.peers.known()];
    return all.filter(
      (agent) =>
        this.#mayMessageOrSee(principal, agent) &&
        (status === 'all' || isOnline(agent)) &&
        (capability === undefined || offers(agent.capabilities, capability)) &&
        (agentId === undefined || isNamed(agent, agentId)),
    );
  }

  /** How an agent of this node stands, by its name; undefined for one that `principal` may not see. */
  standing(principal: Principal, name: string): AgentStanding | undefined {
    const { local, self } = this.#components;
    const agent = local.find(name);
    if (agent === undefined || agent.announcement.name !== name) return undefined;
    const { listed } = agent.announcement;
    if (!this.#mayMessageOrSee(principal, { name, node: self.name, listed })) return undefined;
    return local.standing(agent);
  }

  /** @throws STARLING_AGENT_UNKNOWN, also for one that `principal` may not see */
  async info(principal: Principal, agentId: string): Promise<AgentInfoResult> {
    const listed = await this.list(principal, { agentId });
    const asked = listed.agents.filter(({ announced }) => announced !== true);
    const agents = asked.length > 0 ? asked : listed.agents;
    const [agent, ...others] = agents;
    if (agent === undefined) throw unknownAgent(agentId);
    const here = agents.find(({ node }) => node === this.#components.self.name);
    const isOne = others.length === 0 || areParts(agents);
    if (!isOne && here === undefined) throw ambiguous(agentId, agents);
    // A list may be seconds old; how one agent does is asked of its node at this moment.
    const view = here ?? (await this.askNow(agent).catch(() => undefined)) ?? agent;
    const parts = agents.filter(({ spread }) => spread !== undefined && spread === view.spread);
    const rest = parts.filter(({ endpoint }) => endpoint !== view.endpoint);
    return {
      agentId: view.id,
      ...this.#trusted(view),
      ...(rest.length === 0 ? {} : { parts: rest.map(({ endpoint }) => endpoint) }),
    };
  }

  /** Who can do what, as far as `principal` may know. */
  async capabilities(principal: Principal): Promise<CapabilityListResult> {
    const { agents } = await this.list(principal, {});
    const names = [...new Set(agents.flatMap(({ capabilities }) => capabilities))].toSorted();
    return {
      capabilities: names.map((capability) => {
        const able = agents.filter((agent) => agent.capabilities.includes(capability));
        const description = able
          .map(({ definitions }) => definitions?.[capability]?.description)
          .find((text) => text !== undefined);
        return {
          capability,
          ...(description === undefined ? {} : { description }),
          agents: able.map(({ endpoint }) => endpoint),
          online: able.filter(({ status }) => status === 'online').length,
        };
      }),
    };
  }

  /** How an agent does at this moment, by the word of its node. */
  async askNow({ name, node }: AgentView): Promise<AgentView | undefined> {
    const { peers, self } = this.#components;
    if (node === self.name) return this.#own().find((one) => one.name === name);
    return peers.now(node, name);
  }

  /**
   * The agent that an address means, or all parts of one that is spread over several nodes, as far as `principal` may write
   * to them; asks its node where nothing is known of it. @throws STARLING_USAGE
   */
  async find(principal: Principal, text: string): Promise<AgentPlace | readonly AgentView[]> {
    const address = parseAddress(text);
    const own = this.#ownAlone(address);
    if (own !== undefined) return own;
    const { self, peers } = this.#components;
    let known = this.#meant(address);
    // Which parts there are changes; a list that is fresh is not asked for again.
    const isSpread = address.node === undefined && known[0]?.spread !== undefined;
    if ((known.length === 0 && address.node !== self.name) || isSpread) {
      await peers.refresh(address.node);
      known = this.#meant(address);
    }
    if (known.length < 2) return known;
    const open = known.filter(({ name, node }) =>
      this.#allows(principal, { name, ...this.#owner(node) }, { what: 'message' }),
    );
    return open.length > 0 ? open : known;
  }

  /** The agent of another node that an address means, where that is one alone and has been asked; undefined for all others. */
  elsewhere(text: string): Required<AgentPlace> | undefined {
    try {
      const address = parseAddress(text);
      if (this.#ownAlone(address) !== undefined) return undefined;
      const [found, ...others] = this.#meant(address);
      const isAlone = others.length === 0 && found?.spread === undefined;
      if (found === undefined || !isAlone || found.announced === true) return undefined;
      return found.node === this.#components.self.name ? undefined : found;
    } catch (error) {
      // What is no address, or the name of several agents, is refused by who looks for the agent.
      if (error instanceof StarlingError) return undefined;
      throw error;
    }
  }

  /** Whether `text` is the id or the name of an agent of another node than `node`, as far as is known without asking. */
  isElsewhere(text: string, node: string): boolean {
    const { local, peers, self } = this.#components;
    if (node !== self.name && local.find(text) !== undefined) return true;
    return peers.called(text).some((agent) => agent.node !== node);
  }

  /** What a message, or a task, with this address is about, for the guard; undefined where there is no address. */
  subjectOf(address: unknown, what: How['what'] = 'message'): ToolSubject | undefined {
    if (typeof address !== 'string') return undefined;
    const ability = ABILITIES[what];
    try {
      const { name, node } = this.#found(parseAddress(address)) ?? parseAddress(address);
      return { ability, resource: agentResource({ name, ...this.#owner(node) }) };
    } catch (error) {
      // What is no name, or several agents' name, is refused to whoever has no right to each agent here.
      if (error instanceof StarlingError) return { ability, resource: 'agent:-' };
      throw error;
    }
  }

  /**
   * The guard was asked about the address; what the address turned out to mean may be something else.
   * @throws STARLING_CALL_REFUSED where `principal` may not write to that agent, or give it a task
   */
  require(principal: Principal, { name, node }: { name: string; node?: string }, how: How): void {
    if (this.#allows(principal, { name, ...this.#owner(node) }, how)) return;
    const does = how.what === 'task' ? 'give a task' : 'write';
    throw new StarlingError('STARLING_CALL_REFUSED', `no right to ${does} to the agent ${name}`, {
      hint: `whoever owns it grants it: starling grant create <peer> --agent ${name}`,
      data: { agentId: name, reason: 'refused' },
    });
  }

  /**
   * As {@link require}, of a task for the agent with this address, as far as this node knows whom it means.
   * @throws STARLING_CALL_REFUSED; STARLING_USAGE for what is no address
   */
  requireTaskFor(principal: Principal, address: string): void {
    const asked = parseAddress(address);
    this.require(principal, this.#found(asked) ?? asked, { what: 'task' });
  }

  /** The agent of a client's own by whose edge of a swarm it may give an agent of this node a task. */
  edgeOf(principal: Principal, name: string): string | undefined {
    const wanted = {
      ability: ABILITIES.task,
      resource: agentResource({ name }),
      look: true,
    } as const;
    return this.#ownNames(principal).find(
      (from) => this.#components.guard().decide(principal, { ...wanted, args: { from } }).allow,
    );
  }

  /** With how far its owner is trusted here; a peer's word of that is not taken. */
  #trusted(agent: AgentView): AgentView {
    const { callerOf, local, membership, self, trustOf } = this.#components;
    if (trustOf === undefined) return agent;
    const peer = agent.node === self.name ? undefined : membership.byAlias(agent.node);
    const owner = local.find(agent.name)?.owner;
    const caller = (owner === undefined ? undefined : callerOf?.(owner)) ?? OPERATOR;
    const principal: Principal =
      peer === undefined
        ? caller
        : { kind: 'peer', peerId: peer.peerId, did: peer.did, alias: peer.alias };
    return { ...agent, trust_level: trustOf(principal) };
  }

  #own(): readonly AgentView[] {
    const { local } = this.#components;
    return local.all().map((agent) => local.view(agent));
  }

  /** The agent that an address means, as far as this node knows without asking; of several parts one. @throws STARLING_USAGE */
  #found(address: AgentAddress): AgentPlace | undefined {
    return this.#ownAlone(address) ?? this.#meant(address)[0];
  }

  /** The agent of this node that an address means, where that is no matter of parts: how it does is not looked at for that. */
  #ownAlone({ name, node }: AgentAddress): AgentPlace | undefined {
    const { local, self } = this.#components;
    if (node !== undefined && node !== self.name) return undefined;
    const announcement = local.find(name)?.announcement;
    if (announcement === undefined) return undefined;
    const isAlone = node !== undefined || announcement.spread === undefined;
    return isAlone ? { name: announcement.name, node: self.name } : undefined;
  }

  /** As {@link AgentDirectory.#found}, with all parts of an agent that is spread; one of this node comes first. @throws STARLING_USAGE */
  #meant(address: AgentAddress): readonly AgentView[] {
    const { local, peers, self } = this.#components;
    const text = address.node === undefined ? address.name : `${address.name}@${address.node}`;
    const own = address.node === undefined || address.node === self.name;
    const found = own ? local.find(address.name) : undefined;
    const here = found === undefined ? undefined : local.view(found);
    if (here !== undefined && (here.spread === undefined || address.node !== undefined))
      return [here];
    const all = peers.called(text);
    if (here !== undefined) return [here, ...all.filter(({ spread }) => spread === here.spread)];
    if (all.length > 1 && !areParts(all)) throw ambiguous(text, all);
    return all;
  }

  #owner(node: string | undefined): { node?: string } {
    return node === undefined || node === this.#components.self.name ? {} : { node };
  }

  /** Whoever may give tasks to an agent sees it, too. */
  #mayMessageOrSee(
    principal: Principal,
    { name, node, listed }: Pick<AgentView, 'listed' | 'name' | 'node'>,
  ): boolean {
    return listed || this.#allows(principal, { name, ...this.#owner(node) }, { what: 'task' });
  }

  /** Names of a client's own agents. */
  #ownNames(principal: Principal): readonly string[] {
    if (principal.kind !== 'client') return [];
    const own = this.#components.local.all().filter(({ owner }) => owner === keyOf(principal));
    return own.map(({ announcement }) => announcement.name);
  }

  /** By a right of the caller's own, or by one of those of its agents. */
  #allows(
    principal: Principal,
    address: { name: string; node?: string },
    { from, what }: How,
  ): boolean {
    const { guard } = this.#components;
    const resource = agentResource(address);
    const wanted = { ability: ABILITIES[what], resource, look: true as const };
    const may = (asked: GuardWanted): boolean => {
      const decision = guard().decide(principal, asked);
      return decision.allow || decision.ask !== undefined;
    };
    if (may(wanted)) return true;
    const senders = this.#ownNames(principal).filter((name) => from === undefined || name === from);
    return senders.some((name) => may({ ...wanted, args: { from: name } }));
  }
}

function isOnline({ status }: AgentView): boolean {
  return status === 'online';
}

/** Whether they are parts of one agent. */
function areParts(agents: readonly AgentView[]): boolean {
  const [first] = agents;
  return first?.spread !== undefined && agents.every(({ spread }) => spread === first.spread);
}

/** As lists have it: without the schemas of its capabilities. */
function inLists(agent: AgentView): AgentView {
  const { definitions, ...seen } = agent;
  const said = Object.entries(definitions ?? {});
  if (said.length === 0) return seen;
  const short = said.map(([name, definition]) => [name, withoutSchemas(definition)]);
  return { ...seen, definitions: Object.fromEntries(short) };
}

/** How its node runs it, and with what rights, is for those of that node. */
function withoutRun(agent: AgentView): AgentView {
  const { run, ...seen } = agent;
  return run === undefined ? agent : seen;
}

function ambiguous(text: string, agents: readonly AgentPlace[]): StarlingError {
  const candidates = agents.map(({ name, node }) => `${name}@${node}`);
  return new StarlingError('STARLING_USAGE', `several nodes have an agent '${text}'`, {
    hint: `say which: ${candidates.join(', ')}`,
    data: { candidates },
  });
}
