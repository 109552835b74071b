/**
 * What waits for a person. The first answer counts, and only once it is on the disk; silence is a no.
 * Calls wait as long as the node runs and their caller is there; requests for a grant outlive both.
 * Who may answer comes from the policy in force when the answer comes.
 */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import {
  StarlingError,
  createScope,
  idOf,
  messageOf,
  printable,
  unawaited,
} from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import { Entries } from './entries.ts';
import type { Entry } from './entries.ts';
import { readApprovals, rowOf } from './rows.ts';
import { hashArgs, shownArguments } from './shown-arguments.ts';
import type {
  Answerer,
  Approval,
  ApprovalEffect,
  ApprovalEvents,
  ApprovalOutcome,
  ApprovalState,
  Approvals,
  Voter,
} from './types.ts';
import { checkVoter } from './voters.ts';
import type { CallerRulesLookup } from '../policy/caller-rules.ts';
import type { ApprovalRequest, GuardWanted, Principal } from '../types.ts';
import { keyOf, nameOf } from '../principal-names.ts';

/** What the approvals work with. */
export interface ApprovalsComponents {
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly callerRules: CallerRulesLookup;
}

/** Bounds of the approvals, and their source of randomness. */
export interface ApprovalsInit {
  /** Approvals that may wait in all; default 1024. */
  readonly pendingMax?: number;
  /** Approvals that may wait of one caller; default 32. */
  readonly perCallerMax?: number;
  /** Approvals that are kept when they are over; default 1024. */
  readonly keptMax?: number;
  /** For ids; default `node:crypto`. */
  readonly randomBytes?: (size: number) => Uint8Array;
}

const ID_BYTES = 12;
const REASON_MAX = 500;
const JUSTIFICATION_MAX = 2000;
/** How long a lasting approval may be used after the answer. */
const LASTING_MS = 86_400_000;

/** Makes the approvals of a node. */
export function createApprovals(
  components: ApprovalsComponents,
  init: ApprovalsInit = {},
): Approvals {
  return new ApprovalQueue(components, init);
}

class ApprovalQueue implements Approvals {
  readonly events = new EventEmitter<ApprovalEvents>();
  readonly #answerers = new Set<Answerer>();
  readonly #components: ApprovalsComponents;
  readonly #randomBytes: (size: number) => Uint8Array;
  readonly #entries: Entries;
  #scope: Scope | undefined;
  #effect: ApprovalEffect | undefined;

  constructor(components: ApprovalsComponents, init: ApprovalsInit) {
    this.#components = components;
    this.#randomBytes = init.randomBytes ?? systemRandomBytes;
    this.#entries = new Entries({
      pendingMax: init.pendingMax ?? 1024,
      perCallerMax: init.perCallerMax ?? 32,
      keptMax: init.keptMax ?? 1024,
    });
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { table, clock, logger } = this.#components;
    this.#scope = createScope(clock);
    const known = await readApprovals(table, logger);
    for (const approval of known.toSorted((a, b) => a.askedAt - b.askedAt)) {
      const entry = this.#entries.add(approval);
      if (approval.state !== 'pending') continue;
      if (approval.kind === 'permission') this.#arm(entry);
      else if (approval.lasting === true) this.#armAgain(entry);
      else await this.#closeQuietly(entry, 'withdrawn', 'the node was restarted');
    }
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    for (const entry of this.#entries.all()) {
      entry.over.abort();
      const { approval, waiters } = entry;
      for (const tell of waiters.splice(0)) tell({ state: 'withdrawn', approval });
    }
    this.#entries.clear();
  }

  attach(answerer: Answerer): () => void {
    this.#answerers.add(answerer);
    for (const entry of this.#entries.all()) {
      if (entry.isOpen && entry.approval.state === 'pending') this.#ask(entry, answerer);
    }
    return () => {
      this.#answerers.delete(answerer);
    };
  }

  async ask(request: ApprovalRequest, signal?: AbortSignal): Promise<ApprovalOutcome> {
    const entry = await this.#open(request);
    const outcome = new Promise<ApprovalOutcome>((resolve) => {
      if (entry.approval.state === 'pending') entry.waiters.push(resolve);
      else resolve(outcomeOf(entry.approval));
    });
    const gone = (): void => {
      const why: unknown = signal?.reason;
      const text = typeof why === 'string' ? why : 'the caller is gone';
      this.#closeSoon(entry, 'withdrawn', text);
    };
    if (signal?.aborted === true) gone();
    signal?.addEventListener('abort', gone, { once: true });
    try {
      return await outcome;
    } finally {
      signal?.removeEventListener('abort', gone);
    }
  }

  async askLasting(request: ApprovalRequest, signal: AbortSignal): Promise<ApprovalOutcome> {
    const since = this.#components.clock.now() - LASTING_MS;
    const entry =
      this.#entries.lastingFor(request, hashArgs(request.args), since) ??
      (await this.#open({ ...request, lasting: true }));
    const gone = new Promise<never>((_, reject) => {
      const left = (): void => {
        if (typeof signal.reason === 'string') {
          this.#closeSoon(entry, 'withdrawn', signal.reason);
        }
        reject(new StarlingError('STARLING_STOPPED', 'nobody waits for the approval any more'));
      };
      if (signal.aborted) left();
      else signal.addEventListener('abort', left, { once: true });
    });
    const answered = new Promise<ApprovalOutcome>((resolve) => {
      if (entry.approval.state === 'pending') entry.waiters.push(resolve);
      else resolve(outcomeOf(entry.approval));
    });
    const outcome = await Promise.race([answered, gone]);
    if (outcome.state === 'approved') await this.#markUsed(entry);
    return outcome;
  }

  async open(request: ApprovalRequest): Promise<Approval> {
    return (await this.#open(request)).approval;
  }

  list(state?: ApprovalState): readonly Approval[] {
    const all = [...this.#entries.all()].map(({ approval }) => approval).toReversed();
    return state === undefined ? all : all.filter((approval) => approval.state === state);
  }

  find(id: string): Approval {
    return this.#entries.find(id).approval;
  }

  approve(id: string, by: Voter, reason?: string): Promise<Approval> {
    return this.#answer(id, by, 'approved', reason);
  }

  deny(id: string, by: Voter, reason?: string): Promise<Approval> {
    return this.#answer(id, by, 'denied', reason);
  }

  approvedFor(id: string, principal: Principal, wanted: GuardWanted): Approval | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.approval.state !== 'approved') return undefined;
    const { approval } = entry;
    const isIt =
      approval.kind === 'call' &&
      approval.resource === wanted.resource &&
      approval.ability === wanted.ability &&
      keyOf(approval.principal) === keyOf(principal) &&
      approval.argsHash === hashArgs(wanted.args);
    if (!isIt || (wanted.look !== true && entry.used)) return undefined;
    if (wanted.look !== true) entry.used = true;
    return approval;
  }

  onApprove(effect: ApprovalEffect): void {
    this.#effect = effect;
  }

  /** On the disk before the call is let through: after a crash a person is rather asked again than obeyed twice. */
  async #markUsed(entry: Entry): Promise<void> {
    if (entry.approval.usedAt !== undefined) throw closedError(entry);
    entry.approval = { ...entry.approval, usedAt: this.#components.clock.now() };
    const { key, value } = rowOf(entry.approval);
    await this.#components.table.put(key, value);
  }

  /** The session that asked before the node was started again is none of those of now. */
  #armAgain(entry: Entry): void {
    const { session: _, ...rest } = entry.approval;
    entry.approval = rest;
    this.#arm(entry);
  }

  async #open(request: ApprovalRequest): Promise<Entry> {
    if (this.#scope === undefined) throw stopped();
    this.#entries.checkRoom(request);
    const approval = this.#make(request);
    const entry = this.#entries.add(approval);
    try {
      await this.#components.table.put(rowOf(approval).key, rowOf(approval).value);
    } catch (error) {
      this.#entries.forget(entry);
      throw error;
    }
    if (this.#scope === undefined) throw stopped();
    if (entry.approval.state !== 'pending') return entry;
    this.#arm(entry);
    this.events.emit('pending', approval);
    for (const answerer of this.#answerers) this.#ask(entry, answerer);
    await this.#prune();
    return entry;
  }

  #make(request: ApprovalRequest): Approval {
    const { clock } = this.#components;
    const { args, timeoutMs, isUnsaid: _, escalationDelayMs, justification, ...rest } = request;
    const askedAt = clock.now();
    return {
      ...rest,
      id: idOf(this.#randomBytes(ID_BYTES)),
      ...(args === undefined ? {} : { args: shownArguments(request.resource, args) }),
      argsHash: hashArgs(args),
      ...(justification === undefined
        ? {}
        : { justification: printable(justification, JUSTIFICATION_MAX) }),
      state: 'pending',
      askedAt,
      expiresAt: askedAt + timeoutMs,
      ...(escalationDelayMs === undefined ? {} : { escalatesAt: askedAt + escalationDelayMs }),
    };
  }

  /** Sets the timers of an approval that waits. */
  #arm(entry: Entry): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    entry.isOpen = true;
    entry.stop();
    const now = this.#components.clock.now();
    const { expiresAt, escalatesAt, escalatedAt } = entry.approval;
    const stops = [
      scope.after(Math.max(0, expiresAt - now), () => this.#timedOut(entry)),
      ...(escalatesAt === undefined || escalatedAt !== undefined || escalatesAt >= expiresAt
        ? []
        : [scope.after(Math.max(0, escalatesAt - now), () => this.#escalate(entry))]),
    ];
    entry.stop = () => {
      for (const stop of stops) stop();
    };
  }

  #timedOut(entry: Entry): void {
    // An answer that is on its way to the disk came first.
    if (!entry.answering) this.#closeSoon(entry, 'expired', 'nobody answered in time');
  }

  #escalate(entry: Entry): void {
    if (entry.approval.state !== 'pending' || entry.answering) return;
    entry.approval = { ...entry.approval, escalatedAt: this.#components.clock.now() };
    const { key, value } = rowOf(entry.approval);
    this.#components.table.put(key, value).catch((error: unknown) => this.#notKept(error));
    this.events.emit('escalated', entry.approval);
    // Whoever put the question aside sees it once more.
    for (const answerer of this.#answerers) {
      if (!entry.asked.has(answerer)) this.#ask(entry, answerer);
    }
  }

  #ask(entry: Entry, answerer: Answerer): void {
    const { logger } = this.#components;
    unawaited(this.#askOne(entry, answerer), logger, 'somebody was not asked', {
      id: entry.approval.id,
    });
  }

  async #askOne(entry: Entry, answerer: Answerer): Promise<void> {
    const { id } = entry.approval;
    entry.asked.add(answerer);
    try {
      const answer = await answerer(entry.approval, entry.over.signal);
      if (answer === undefined || entry.approval.state !== 'pending') return;
      const { approve, by, reason } = answer;
      await this.#answer(id, by, approve ? 'approved' : 'denied', reason);
    } catch (error) {
      this.#components.logger.warn({ id, error: messageOf(error) }, 'an answer did not count');
    } finally {
      entry.asked.delete(answerer);
    }
  }

  async #answer(
    id: string,
    by: Voter,
    state: 'approved' | 'denied',
    reason: string | undefined,
  ): Promise<Approval> {
    const entry = this.#entries.find(id);
    checkVoter(this.#components.callerRules, entry.approval, by, state);
    if (entry.approval.state !== 'pending' || entry.answering) throw closedError(entry);
    entry.answering = true;
    try {
      const made = state === 'approved' ? await this.#effectOf(entry.approval) : undefined;
      const next: Approval = {
        ...entry.approval,
        state,
        answeredAt: this.#components.clock.now(),
        answeredBy: `${nameOf(by.principal)}${by.at === undefined ? '' : ` in ${by.at}`}`,
        ...(reason === undefined ? {} : { reason: printable(reason, REASON_MAX) }),
        ...(made === undefined ? {} : { made }),
      };
      const { key, value } = rowOf(next);
      // What was made by the answer is on the disk, so that the answer has happened.
      const isDone = made !== undefined;
      await this.#components.table
        .put(key, value)
        .catch((error: unknown) => (isDone ? this.#notKept(error) : Promise.reject(error)));
      this.#settle(entry, next);
      return next;
    } catch (error) {
      const { expiresAt } = entry.approval;
      entry.answering = false;
      if (this.#components.clock.now() >= expiresAt) this.#timedOut(entry);
      throw error;
    }
  }

  async #effectOf(approval: Approval): Promise<string | undefined> {
    if (approval.kind === 'call') return undefined;
    if (this.#effect === undefined) throw stopped();
    return this.#effect(approval);
  }

  #closeSoon(entry: Entry, state: 'expired' | 'withdrawn', why: string): void {
    const { logger } = this.#components;
    unawaited(this.#closeQuietly(entry, state, why), logger, 'an approval was not ended', {
      id: entry.approval.id,
    });
  }

  async #closeQuietly(entry: Entry, state: 'expired' | 'withdrawn', why: string): Promise<void> {
    try {
      await this.#close(entry, state, why);
    } catch (error) {
      this.#notKept(error);
    }
  }

  /** Ends an approval without an answer. Counts at once: a no needs no disk to be safe. */
  async #close(entry: Entry, state: 'expired' | 'withdrawn', why: string): Promise<void> {
    if (entry.approval.state !== 'pending' || entry.answering) return;
    const answeredAt = this.#components.clock.now();
    this.#settle(entry, { ...entry.approval, state, answeredAt, reason: why });
    const { key, value } = rowOf(entry.approval);
    await this.#components.table.put(key, value);
  }

  #settle(entry: Entry, approval: Approval): void {
    entry.answering = false;
    entry.stop();
    entry.approval = approval;
    entry.over.abort();
    for (const tell of entry.waiters.splice(0)) tell(outcomeOf(approval));
    this.events.emit('closed', approval);
  }

  #notKept(error: unknown): void {
    this.#components.logger.error({ error: messageOf(error) }, 'approval not written down');
  }

  /** Forgets the oldest approvals that are over. */
  async #prune(): Promise<void> {
    const ids = this.#entries.dropOld();
    if (ids.length > 0) await this.#components.table.batch(ids.map((key) => ({ key })));
  }
}

function outcomeOf(approval: Approval): ApprovalOutcome {
  if (approval.state === 'pending') throw new TypeError('it is still pending');
  return { state: approval.state, approval };
}

function closedError({ approval, answering }: Entry): StarlingError {
  const { id, state, answeredBy, answeredAt, reason } = approval;
  const at = answeredAt === undefined ? '' : ` at ${new Date(answeredAt).toISOString()}`;
  const by = answeredBy === undefined ? '' : ` by ${answeredBy}`;
  const why = reason === undefined ? '' : ` (${reason})`;
  const was = state === 'expired' ? 'has expired' : `was ${state}`;
  const what = answering ? 'is being answered by somebody else' : `${was}${by}${at}${why}`;
  return new StarlingError('STARLING_APPROVAL_CLOSED', `approval ${id.slice(0, 8)} ${what}`, {
    hint: 'see what waits: starling approvals',
    data: { approval: id, state },
  });
}

function stopped(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the node takes no approvals now');
}
