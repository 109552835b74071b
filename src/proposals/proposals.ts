/**
 * What agents that think with a model propose to this node: servers, and kinds of agents. A proposal gives no right and runs
 * nothing. A person sees the difference that it would make, has it run on trial in a sandbox without a network, and agrees to
 * just that program, by its digest; only then is it written into the configuration, by the command that asked. What nobody
 * answers expires, and what its agent proposes anew takes the place of what waited.
 */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import {
  StarlingError,
  idOf,
  joinSignals,
  meantById,
  messageOf,
  noSuchId,
  printable,
} from '../core/index.ts';
import type { Clock, Health, Logger, Startable } from '../core/index.ts';
import type { Audit, AuditOutcome } from '../audit/index.ts';
import { behalfOf, keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Table } from '../store/index.ts';
import { folderOf } from './config-entry.ts';
import { DAY_MS, KEPT_MAX, REASON_MAX, WAITS_MS } from './limits.ts';
import { isOpen, look, requireFree, requireRoom } from './bounds.ts';
import { digestOf } from './digest.ts';
import { closed, requireDigest, untried } from './refusals.ts';
import { readProposals, rowOf } from './rows.ts';
import type { Proposal, ProposalState, Proposed, ProposedProgram, Trial } from './types.ts';

/** What proposals work with. */
export interface ProposalsComponents {
  readonly table: Table;
  readonly audit: Pick<Audit, 'note'>;
  readonly health: Health;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  /** What has the name already: a server of the configuration, or a kind; undefined for a free name. */
  taken(name: string): Proposed | undefined;
  /** Runs it without a network; what fails is an outcome. @throws STARLING_PROPOSAL_REFUSED where there is no sandbox */
  tryOut(program: ProposedProgram, signal: AbortSignal): Promise<Trial>;
  /** The folder in which files of what was agreed to lie. */
  readonly services: string;
  readonly randomBytes?: (size: number) => Uint8Array;
}

/** Proposals, from the outside. */
export interface Proposals extends Startable {
  /**
   * Takes a proposal, or gives the one that is known: the same program of the same agent is one proposal.
   * @throws STARLING_USAGE for a name that is taken, STARLING_LIMIT_EXCEEDED
   */
  propose(by: Principal, program: ProposedProgram): Promise<Proposal>;
  /** All that are known, the newest first. */
  list(): Promise<readonly Proposal[]>;
  /** By its id or a unique beginning of at least 4 characters. @throws STARLING_PROPOSAL_UNKNOWN */
  find(id: string): Promise<Proposal>;
  /** Runs one on trial, and keeps what came of that. @throws STARLING_PROPOSAL_UNKNOWN, STARLING_PROPOSAL_REFUSED */
  tryOut(id: string, signal: AbortSignal): Promise<Proposal>;
  /**
   * Agrees to the program with this digest, or refuses it. An approved one may be approved again: its files and its entry may not
   * have been written. @throws STARLING_PROPOSAL_CLOSED, STARLING_PROPOSAL_UNTRIED, STARLING_PROPOSAL_CHANGED, STARLING_USAGE
   */
  answer(
    id: string,
    answer: { readonly approve: boolean; readonly digest?: string; readonly reason?: string },
  ): Promise<Proposal>;
  /** True where the configuration has something of its name. */
  isInConfig(proposal: Pick<Proposal, 'name'>): boolean;
  folderOf(proposal: Pick<Proposal, 'digest' | 'name'>): string;
}

const ID_BYTES = 12;
const WAITING = 'proposals-wait';
const OUTCOMES: Readonly<Record<ProposalState, AuditOutcome>> = {
  pending: 'asked',
  approved: 'allowed',
  denied: 'denied',
  superseded: 'cancelled',
  expired: 'timeout',
};

/** Makes the proposals of a node; `start` tells whether some wait. */
export function createProposals(components: ProposalsComponents): Proposals {
  return new NodeProposals(components);
}

class NodeProposals implements Proposals {
  readonly #components: ProposalsComponents;
  readonly #randomBytes: (size: number) => Uint8Array;
  #known: Promise<Map<string, Proposal>> | undefined;
  /** One change at a time: bounds are checked and then kept. */
  #turn: Promise<unknown> = Promise.resolve();
  /** When the first of those that wait expires, ms since the epoch. */
  #firstEnd = Infinity;
  /** When the last one does. */
  #lastEnd = -Infinity;
  /** The id of what runs on trial: one at a time. */
  #trying: string | undefined;
  /** Ends when that has, and has put its files away; never rejects. */
  #trial: Promise<unknown> = Promise.resolve();
  /** Aborted by a stop. */
  #life = new AbortController();

  constructor(components: ProposalsComponents) {
    this.#components = components;
    this.#randomBytes = components.randomBytes ?? systemRandomBytes;
  }

  async start(): Promise<void> {
    this.#life = new AbortController();
    await this.list();
  }

  async stop(): Promise<void> {
    this.#life.abort(new StarlingError('STARLING_STOPPED', 'the node is stopping'));
    await this.#trial;
    await this.#turn;
  }

  propose(by: Principal, program: ProposedProgram): Promise<Proposal> {
    return this.#alone(async (known) => {
      const { name } = program;
      const agent = keyOf(by);
      const digest = digestOf(program);
      const now = this.#components.clock.now();
      const seen = look(known, { agent, digest, name, since: now - DAY_MS, now });
      // Who was refused is told so again, and no person is asked again.
      if (seen.same !== undefined) return seen.same;
      this.#requireNew(name);
      requireFree(seen, name);
      requireRoom(seen);
      const { before } = seen;
      const proposal = {
        ...this.#make(by, { program, digest, now }),
        ...(before === undefined ? {} : { replaces: before.digest }),
      };
      await this.#keep(known, [
        proposal,
        ...(before === undefined ? [] : [over(before, 'superseded', now)]),
      ]);
      return proposal;
    });
  }

  list(): Promise<readonly Proposal[]> {
    return this.#alone(async (known) => [...known.values()].toReversed());
  }

  find(id: string): Promise<Proposal> {
    return this.#alone(async (known) => findIn(known, id));
  }

  async tryOut(id: string, signal: AbortSignal): Promise<Proposal> {
    const { program, ...proposal } = await this.find(id);
    if (program === undefined || !isOpen(proposal.state)) throw closed(proposal);
    if (this.#trying !== undefined) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'another proposal runs on trial now', {
        hint: 'try it again when that has ended',
      });
    }
    this.#trying = proposal.id;
    const until = joinSignals(signal, this.#life.signal);
    try {
      const running = this.#components.tryOut(program, until.signal);
      this.#trial = Promise.allSettled([running]);
      const trial = await running;
      return await this.#alone(async (known) => {
        const now = findIn(known, proposal.id);
        if (!isOpen(now.state)) throw closed(now);
        await this.#keep(known, [{ ...now, trial }]);
        return findIn(known, proposal.id);
      });
    } finally {
      until.clear();
      this.#trying = undefined;
    }
  }

  answer(
    id: string,
    { approve, digest, reason }: Parameters<Proposals['answer']>[1],
  ): Promise<Proposal> {
    return this.#alone(async (known) => {
      const proposal = findIn(known, id);
      const why = reason === undefined ? {} : { reason: printable(reason, REASON_MAX) };
      const now = this.#components.clock.now();
      const isWritten = proposal.state === 'approved' && this.isInConfig(proposal);
      if (!approve) {
        if (!isOpen(proposal.state) || isWritten) throw closed(proposal);
        await this.#keep(known, [{ ...over(proposal, 'denied', now), ...why }]);
        return findIn(known, proposal.id);
      }
      requireDigest(proposal, digest);
      if (proposal.state === 'approved') return proposal;
      if (proposal.state !== 'pending') throw closed(proposal);
      if (proposal.trial?.passed !== true) throw untried(proposal);
      this.#requireNew(proposal.name);
      await this.#keep(known, [{ ...proposal, ...why, state: 'approved', answeredAt: now }]);
      return findIn(known, proposal.id);
    });
  }

  isInConfig({ name }: Pick<Proposal, 'name'>): boolean {
    return this.#components.taken(name) !== undefined;
  }

  folderOf({ digest, name }: Pick<Proposal, 'digest' | 'name'>): string {
    return folderOf(this.#components.services, name, digest);
  }

  #make(
    by: Principal,
    made: { readonly program: ProposedProgram; readonly digest: string; readonly now: number },
  ): Proposal {
    const { digest, now, program } = made;
    const worksFor = behalfOf(by);
    const taint = by.kind === 'client' ? by.taint : undefined;
    return {
      id: idOf(this.#randomBytes(ID_BYTES)),
      agent: keyOf(by),
      ...(worksFor === undefined ? {} : { worksFor: printable(worksFor, 300) }),
      ...(taint === undefined ? {} : { taint }),
      what: program.what,
      name: program.name,
      digest,
      program,
      state: 'pending',
      madeAt: now,
      expiresAt: now + WAITS_MS,
    };
  }

  /** @throws STARLING_USAGE for the name of what is there */
  #requireNew(name: string): void {
    const taken = this.#components.taken(name);
    if (taken === undefined) return;
    throw new StarlingError(
      'STARLING_USAGE',
      `a ${taken === 'server' ? 'server' : 'kind of agents'} is called '${name}' here already: a proposal changes nothing that is there`,
      { hint: 'take another name' },
    );
  }

  /** On the disk first; then it counts, and is told. */
  async #keep(known: Map<string, Proposal>, changed: readonly Proposal[]): Promise<void> {
    const { audit, table } = this.#components;
    const isNew = (one: Proposal): boolean => known.get(one.id)?.state !== one.state;
    const told = changed.filter(isNew);
    const dropped = oldest(known, changed);
    await table.batch([...changed.map(rowOf), ...dropped.map((key) => ({ key }))]);
    for (const one of changed) known.set(one.id, one);
    for (const key of dropped) known.delete(key);
    for (const one of told) {
      audit.note({
        kind: 'approval',
        who: one.agent,
        ...(one.worksFor === undefined ? {} : { onBehalfOf: one.worksFor }),
        what: { ability: 'infrastructure/propose', resource: `${one.what}:${one.name}` },
        args: one.digest,
        outcome: OUTCOMES[one.state],
        reason: reasonOf(one),
      });
    }
    this.#tell(known);
  }

  #tell(known: ReadonlyMap<string, Proposal>): void {
    const { health } = this.#components;
    const ends = [...known.values()].flatMap(({ expiresAt, state }) =>
      state === 'pending' ? [expiresAt] : [],
    );
    this.#firstEnd = Math.min(...ends);
    this.#lastEnd = Math.max(...ends);
    const waiting = ends.length;
    if (waiting === 0) return health.clear(WAITING);
    health.raise({
      code: WAITING,
      text: `${waiting} proposal${waiting === 1 ? '' : 's'} of agents wait${waiting === 1 ? 's' : ''} for you`,
      hint: 'see what they would change: starling proposals',
    });
  }

  /** One after the other, each with all that is known, of which nothing has expired. */
  async #alone<T>(work: (known: Map<string, Proposal>) => Promise<T>): Promise<T> {
    const doing = this.#turn.then(async () => {
      const known = await this.#load();
      await this.#expire(known);
      return work(known);
    });
    this.#turn = doing.catch(() => undefined);
    return doing;
  }

  #load(): Promise<Map<string, Proposal>> {
    const { logger, table } = this.#components;
    this.#known ??= readProposals(table, logger).then((rows) => {
      const known = new Map(rows.map((row) => [row.id, row]));
      this.#tell(known);
      return known;
    });
    // What could not be read is read again by whoever asks next.
    this.#known.catch((error: unknown) => {
      logger.warn({ error: messageOf(error) }, 'proposals could not be read');
      this.#known = undefined;
    });
    return this.#known;
  }

  async #expire(known: Map<string, Proposal>): Promise<void> {
    const now = this.#components.clock.now();
    // A clock that was ahead has them wait for longer than any does: from now on they wait as long as others.
    const latest = now + WAITS_MS;
    if (now < this.#firstEnd && this.#lastEnd <= latest + DAY_MS) return;
    const waiting = [...known.values()].filter(({ state }) => state === 'pending');
    const late = waiting.filter(({ expiresAt }) => expiresAt <= now);
    const ahead = waiting.filter(({ expiresAt }) => expiresAt > latest + DAY_MS);
    await this.#keep(known, [
      ...late.map((one) => over(one, 'expired', now)),
      ...ahead.map((one) => ({ ...one, madeAt: now, expiresAt: latest })),
    ]);
  }
}

/** Without its program, which nobody can agree to any more. */
function over(proposal: Proposal, state: ProposalState, now: number): Proposal {
  const { program: _program, trial: _trial, ...rest } = proposal;
  return { ...rest, state, answeredAt: now };
}

/** Ids of what is over and has to give way, the oldest first. */
function oldest(
  known: ReadonlyMap<string, Proposal>,
  changed: readonly Proposal[],
): readonly string[] {
  const changing = new Set(changed.map(({ id }) => id));
  const done = [...known.values()].filter(({ id, state }) => !isOpen(state) && !changing.has(id));
  return done.slice(0, Math.max(0, done.length - KEPT_MAX)).map(({ id }) => id);
}

/** @throws STARLING_PROPOSAL_UNKNOWN */
function findIn(known: ReadonlyMap<string, Proposal>, reference: string): Proposal {
  const meant = meantById(reference, known.values(), ({ id }) => id);
  if ('found' in meant) return meant.found;
  throw new StarlingError(
    'STARLING_PROPOSAL_UNKNOWN',
    noSuchId(reference, meant.why, 'proposal of an agent'),
    { hint: 'see which there are: starling proposals' },
  );
}

function reasonOf({ digest, reason, state, taint }: Proposal): string {
  return [
    `${state}, digest ${digest.slice(0, 16)}`,
    ...(taint === undefined ? [] : [`after reading what is ${taint}`]),
    ...(reason === undefined ? [] : [reason]),
  ].join('; ');
}
