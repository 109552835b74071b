/**
 * The parts of spread agents that this node has: started, changed and ended as the parent of each says. Of a parent are
 * asked a proof that the agent is spread over both nodes, the right to spawn that the guard decides about, for it and for
 * the node that has spread the agent, and a token that is not lower than the highest one seen: a parent that has lost its
 * lease without noticing is refused. Who comes with a token that was not seen before has it by the board, too, where this node
 * has that: else any of the nodes could say a token that none after it reaches.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { OPERATOR, keyOf } from '../../guard/index.ts';
import type { Guard, Principal } from '../../guard/index.ts';
import type { SpreadClaims, SpreadProofs } from '../directory/spread-proof.ts';
import type { RunAgent } from '../run/run-agent.ts';
import type { RunPart, RunRow } from '../run/rows.ts';
import { maySpawn } from '../run/spawn-checks.ts';
import type { Runs } from '../run/types.ts';
import type { PartView } from '../types.ts';
import { readTerms } from './rows.ts';
import type { SpreadTerms } from './rows.ts';

/** What the parts of a node are made of. */
export interface PartsComponents {
  readonly runs: Pick<
    Runs,
    'become' | 'callerOf' | 'end' | 'parts' | 'roomFor' | 'rowOf' | 'running' | 'spawn'
  >;
  readonly guard: () => Pick<Guard, 'decide'>;
  readonly proofs: SpreadProofs;
  /**
   * The lease of the parent by the word of a majority; nothing where this node has no board for that.
   * @throws STARLING_NO_QUORUM, …
   */
  readonly lease: (agent: string) => Promise<ParentLease | undefined> | undefined;
  readonly self: { readonly did: Did };
}

/** Who looks after a spread agent, and by which token. */
export interface ParentLease {
  readonly holder: string;
  readonly token: number;
}

/** What a parent wants of a node. */
export interface PartCall {
  /**
   * `see`: how the part does; `ensure`: it is there, with so many processes, and with 0 it ends once its messages are dealt
   * with; `renew`: its processes begin anew; `end`: it ends now.
   */
  readonly want: 'see' | 'ensure' | 'renew' | 'end';
  readonly proof: string;
  readonly terms: string;
  readonly token: number;
  readonly least: number;
  readonly most: number;
}

/** The parts of one node. */
export interface Parts {
  /**
   * Does what `parent` wants.
   * @throws STARLING_CALL_REFUSED for what is not proven, is of a former parent, or is not granted; as `Runs.spawn`
   */
  obey(parent: Did, call: PartCall): Promise<PartView>;
  /** Ends the parts whose spreader may not spawn here any more: the guard may decide otherwise now. */
  recheck(): Promise<void>;
}

const NONE: PartView = {
  state: 'none',
  replicas: 0,
  life: '',
  fell: 0,
  isOver: false,
  waiting: 0,
};
const NOBODY: Principal = { kind: 'client', name: 'nobody', scopes: [] };
const NEVER = new AbortController().signal;

/** Makes the parts of a node. */
export function createParts(components: PartsComponents): Parts {
  return new NodeParts(components);
}

/** What a call is about, after its proof was read. */
interface Asked extends PartCall {
  readonly parent: Did;
  readonly claims: SpreadClaims;
  readonly said: SpreadTerms;
  /** Who has spread it. */
  readonly by: Principal;
}

class NodeParts implements Parts {
  readonly #components: PartsComponents;
  /** One thing at a time with each name. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Parts that take no more messages. */
  readonly #isLeaving = new Set<string>();

  constructor(components: PartsComponents) {
    this.#components = components;
  }

  async obey(parent: Did, call: PartCall): Promise<PartView> {
    const asked = this.#asked(parent, call);
    return this.#alone(asked.claims.agent, () => this.#obey(asked));
  }

  async #alone<T>(agent: string, work: () => Promise<T>): Promise<T> {
    while (this.#turns.has(agent)) await this.#turns.get(agent);
    const doing = work();
    this.#turns.set(
      agent,
      doing.catch(() => undefined),
    );
    try {
      return await doing;
    } finally {
      this.#turns.delete(agent);
    }
  }

  async recheck(): Promise<void> {
    const { runs, self } = this.#components;
    for (const run of runs.parts()) {
      const { owner, name } = run.row;
      if (!owner.startsWith('did:') || owner === self.did) continue;
      const by = runs.callerOf(owner) ?? NOBODY;
      if (this.#mayRun(by, run)) continue;
      await this.#alone(name, () => this.#end(run.row, runs));
    }
  }

  /** @throws STARLING_CALL_REFUSED */
  #asked(parent: Did, call: PartCall): Asked {
    const { proofs, runs, self } = this.#components;
    const claims = proofs.read(call.proof);
    const said = claims === undefined ? undefined : readTerms(call.terms, claims);
    if (claims === undefined || said === undefined) throw refused('it has no proof that holds');
    const among = [claims.iss, ...claims.on];
    if (!claims.on.includes(self.did) || !among.includes(parent)) {
      throw refused('it is not spread over both nodes');
    }
    const by = claims.iss === self.did ? OPERATOR : (runs.callerOf(claims.iss) ?? NOBODY);
    return { ...call, parent, claims, said, by };
  }

  async #obey(asked: Asked): Promise<PartView> {
    const { runs } = this.#components;
    const { agent, spread } = asked.claims;
    const row = await runs.rowOf(agent);
    const own = row?.part?.id === spread ? row : undefined;
    if (own?.part !== undefined) requireCurrent(own.part, asked);
    const isKnown = own?.part?.token === asked.token && own.part.parent === asked.parent;
    const isOwnEnd = asked.want === 'end' && asked.parent === asked.claims.iss;
    if (!isKnown && !isOwnEnd) await this.#requireLease(asked);
    const run = own === undefined ? undefined : runs.running(agent);
    if (asked.want === 'end' || (asked.want === 'ensure' && asked.most === 0)) {
      return this.#leave(asked, own, run);
    }
    if (own?.stopped === true && own.part?.isEnded !== true) {
      throw refused('the operator of this node has stopped it');
    }
    if (run === undefined) {
      if (asked.want === 'see') return NONE;
      await this.#endFormer(asked, row);
      return this.#begin(asked);
    }
    if (run.isOver) return asked.want === 'renew' ? this.#begin(asked) : viewOf(run);
    await this.#requireRight(asked, run);
    if (asked.want === 'see') return viewOf(run);
    await this.#adjust(asked, run);
    if (asked.want === 'renew') await run.renew();
    return viewOf(run);
  }

  /** @throws STARLING_CALL_REFUSED; STARLING_NO_QUORUM, … where nobody can say who has the lease */
  async #requireLease({ claims, parent, token }: Asked): Promise<void> {
    const { lease: leaseOf, self } = this.#components;
    const asked = parent === self.did ? undefined : leaseOf(claims.agent);
    if (asked === undefined) return;
    const lease = await asked;
    if (lease?.holder === parent && lease.token === token) return;
    throw refused('its parent is another one, as the board says');
  }

  /** What this node has spread before under the name, and it is the same one's, gives way. */
  async #endFormer({ by, claims }: Asked, row: RunRow | undefined): Promise<void> {
    const { runs } = this.#components;
    if (row === undefined || row.stopped) return;
    if (row.part === undefined || row.owner !== keyOf(by)) {
      throw new StarlingError('STARLING_AGENT_TAKEN', `an agent '${claims.agent}' runs here`, {
        hint: 'spread yours under another name: starling agent spawn <kind> --name <name> --on <nodes>',
        data: { agentId: claims.agent, reason: 'taken' },
      });
    }
    await runs.end(OPERATOR, claims.agent, 'stop');
  }

  async #begin(asked: Asked): Promise<PartView> {
    const { runs } = this.#components;
    const { by, claims, least, most, said } = asked;
    const { tools, capabilities, config, resources } = said;
    const init = {
      kind: claims.kind,
      name: claims.agent,
      replicas: { least, most },
      tools,
      capabilities,
      config,
      resources,
      part: partOf(asked),
      waitMs: 0,
    };
    await runs.spawn(by, init, NEVER);
    const run = runs.running(claims.agent);
    return run === undefined ? NONE : viewOf(run);
  }

  /** @throws STARLING_CALL_REFUSED, after the part was ended, where whoever has spread it may not spawn here any more */
  async #requireRight({ by }: Asked, run: RunAgent): Promise<void> {
    if (this.#mayRun(by, run)) return;
    await this.#end(run.row, this.#components.runs);
    throw refused('whoever has spread it may not spawn here any more');
  }

  #mayRun(by: Principal, { row }: RunAgent): boolean {
    if (by.kind === 'operator') return true;
    return maySpawn(this.#components.guard(), by, { kind: row.kind, processes: row.replicas });
  }

  /** Another parent, or other bounds, as far as there is room and right: on disk before anything is done. */
  async #adjust(asked: Asked, { row }: RunAgent): Promise<void> {
    const { least: _least, ...rest } = row;
    const most = this.#components.runs.roomFor(asked.by, row, asked.most);
    const least = Math.min(asked.least, most);
    const next: RunRow = {
      ...rest,
      replicas: most,
      ...(least < most ? { least } : {}),
      part: partOf(asked),
    };
    const isSame = JSON.stringify(sorted(next)) === JSON.stringify(sorted(row));
    if (!isSame || this.#isLeaving.has(row.name)) await this.#components.runs.become(next);
    this.#isLeaving.delete(row.name);
  }

  /** Ends the part: now, or when the messages that it has are dealt with. */
  async #leave(
    asked: Asked,
    own: RunRow | undefined,
    run: RunAgent | undefined,
  ): Promise<PartView> {
    const { runs } = this.#components;
    if (own === undefined || run === undefined) return NONE;
    if ((own.part?.token ?? 0) < asked.token) await this.#note(asked, own);
    if (asked.want === 'ensure' && !run.isOver) {
      this.#isLeaving.add(own.name);
      await run.refuseMore();
      if (run.waiting > 0) return viewOf(run);
    }
    await this.#end(run.row, runs);
    return NONE;
  }

  async #end(row: RunRow, runs: PartsComponents['runs']): Promise<void> {
    const { name, part } = row;
    this.#isLeaving.delete(name);
    if (part !== undefined) await runs.become({ ...row, part: { ...part, isEnded: true } });
    await runs.end(OPERATOR, name, 'stop');
  }

  /** The token counts from now on; how many there are stays. */
  async #note(asked: Asked, row: RunRow): Promise<void> {
    const { parent, token } = asked;
    if (row.part === undefined) return;
    await this.#components.runs.become({ ...row, part: { ...row.part, parent, token } });
  }
}

function partOf({ claims, parent, proof, said, token }: Asked): RunPart {
  return { id: claims.spread, proof, parent, token, strategy: said.strategy };
}

function viewOf(run: RunAgent): PartView {
  const { error, fell, isOver, life, state, waiting } = run;
  const { replicas } = run.view();
  return {
    state,
    replicas,
    life,
    fell,
    isOver,
    waiting,
    ...(error === undefined ? {} : { error: error.message.slice(0, 1000) }),
  };
}

/** @throws STARLING_CALL_REFUSED */
function requireCurrent(part: RunPart, { claims, parent, token, want }: Asked): void {
  // A node that it is spread over may have named any token: that keeps nobody's part alive whose end its spreader wants.
  if (want === 'end' && parent === claims.iss) return;
  if (token > part.token || (token === part.token && parent === part.parent)) return;
  throw refused(`its parent is another one now: ${token} is no newer token than ${part.token}`);
}

function refused(why: string): StarlingError {
  return new StarlingError('STARLING_CALL_REFUSED', `no part of a spread agent: ${why}`, {
    hint: 'spread it anew: starling agent spawn <kind> --on <nodes>',
    data: { reason: 'part' },
  });
}

/** Rows with the same members are the same text. */
function sorted(row: RunRow): readonly (readonly [string, unknown])[] {
  return Object.entries(row).toSorted(([one], [other]) => (one < other ? -1 : 1));
}
