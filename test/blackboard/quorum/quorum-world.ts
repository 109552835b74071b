/**
 * Strong writes to one key under a seeded scheduler: replicas with disks, proposers, and a network that delays,
 * reorders, repeats and loses; with one fault of a list planted, or none.
 */
import {
  NO_BALLOT,
  NO_FLOOR,
  answerQuestion,
  compareBallots,
  eraseRow,
  wholeOf,
} from '../../../src/blackboard/quorum/acceptor.ts';
import type {
  AcceptorRow,
  Ballot,
  Floor,
  QuorumQuestion,
  Shown,
  StepQuestion,
} from '../../../src/blackboard/quorum/acceptor.ts';
import { isMajority } from '../../../src/blackboard/quorum/groups.ts';
import type { Groups } from '../../../src/blackboard/quorum/groups.ts';
import { beginRound } from '../../../src/blackboard/quorum/round.ts';
import type { StrongChange } from '../../../src/blackboard/quorum/round.ts';
import { beginLook, shownTo } from '../../../src/blackboard/quorum/strong-read.ts';
import type { Json } from '../../../src/core/index.ts';
import type { Operation } from '../../../sim/bench/board/runs/linearizable.ts';
import type { Client, Message } from './quorum-world-types.ts';
import { randomNumbers } from './random-numbers.ts';

const UNFLOORED = 'a deleted key is erased without a floor';
const SKIPPED = 'the replicas change and no key is written anew';
const OLD_LOOK = 'a reading goes by what its own replica had accepted before';
const UNBASED = 'a change is put on top of whatever a replica has accepted';
const ANY_SAME = 'a replica has the same as it is asked for, whatever it has accepted since';

/** What can be wrong in an implementation. */
export const FAULTS = [
  'a promise is not on disk before the answer',
  'a promise is not raised by an accept',
  'a ballot is used twice, and promised twice',
  'two of five are taken for a majority',
  'a read takes what one replica has accepted',
  'a retry is applied twice',
  'a replica forgets all and stays the same',
  'an unknown outcome is told as failed',
  'a state is kept for the next round after somebody else came',
  UNFLOORED,
  SKIPPED,
  OLD_LOOK,
  ANY_SAME,
  UNBASED,
] as const;
export type Fault = (typeof FAULTS)[number];

const REPLICAS = ['r0', 'r1', 'r2', 'r3', 'r4'];
/** Who keeps the key after the replicas have changed. */
const LATER = ['r4', 'r5', 'r6', 'r7', 'r8'];
const ALL = [...new Set([...REPLICAS, ...LATER])];
/** Of whom more than half is needed, by the number of the set. */
const SETS: readonly Groups[] = [[REPLICAS], [LATER, REPLICAS], [LATER]];
const CLIENTS = 4;
const OPS_PER_CLIENT = 6;
const STEPS_MAX = 20_000;
const TRIES_MAX = 4;
const PATIENCE_STEPS = 120;
/** How long those that are asked first are waited for before the others are asked. */
const FIRST_STEPS = 30;

/** Runs one world to its end, and gives what clients saw. */
export function runWorld(seed: number, fault?: Fault): readonly Operation[] {
  return new World(seed, fault).run();
}

class World {
  readonly #random: () => number;
  readonly #fault: Fault | undefined;
  readonly #disks = new Map<string, AcceptorRow | undefined>(ALL.map((r) => [r, undefined]));
  /** What each replica had accepted before what it has accepted now. */
  readonly #accepted = new Map<string, AcceptorRow['accepted']>();
  readonly #floors = new Map<string, Floor>();
  /** The number of the set by which each replica goes. */
  readonly #numbers = new Map<string, number>(ALL.map((r) => [r, 0]));
  readonly #isErasing: boolean;
  /** Whether as few replicas are asked first as are enough, and the others later or never. */
  readonly #isOfFew: boolean;
  /** The number that the change of the replicas has come to; undefined where there is none. */
  #change: number | undefined;
  readonly #messages: Message[] = [];
  readonly #history: Operation[] = [];
  readonly #clients: Client[];
  #now = 0;

  constructor(seed: number, fault: Fault | undefined) {
    this.#random = randomNumbers(seed);
    this.#fault = fault;
    // A fault shows best where little else goes on.
    const isChanging = fault === undefined ? seed % 2 === 0 : fault === SKIPPED;
    this.#change = isChanging ? 0 : undefined;
    this.#isErasing = fault === undefined || fault === UNFLOORED;
    // What a reading gets wrong shows where replicas are behind for long.
    this.#isOfFew = fault === undefined ? seed % 4 >= 2 : this.#isOfLooks;
    this.#clients = Array.from({ length: CLIENTS + 1 }, (_, i) => ({
      name: `p${i}`,
      isMover: i === CLIENTS,
      set: 0,
      boot: 1,
      counter: 0,
      known: undefined,
      ballot: NO_BALLOT,
      op: undefined,
      round: undefined,
      look: undefined,
      basedOn: undefined,
      roundNumber: 0,
      next: NO_BALLOT,
      since: 0,
      bystanders: [],
      askedAt: 0,
      tries: 0,
      wasOut: false,
      waitUntil: 0,
      done: 0,
    }));
  }

  run(): readonly Operation[] {
    while (
      this.#now < STEPS_MAX &&
      this.#clients.some(({ done, isMover }) => !isMover && done < OPS_PER_CLIENT)
    ) {
      this.#now += 1;
      for (const [at, client] of this.#clients.entries()) this.#drive(client, at);
      this.#deliver();
      if (this.#isErasing && this.#random() < 0.04) this.#erase();
      this.#changeReplicas();
      // What is not on disk is missed only by who restarts between promise and accept.
      const isForgetful = this.#fault === 'a promise is not on disk before the answer';
      if (this.#random() < (isForgetful ? 0.4 : 0.01)) this.#restartReplica();
      if (this.#random() < 0.004) this.#restartProposer();
    }
    for (const client of this.#clients) {
      if (client.op !== undefined && client.wasOut) this.#end(client, undefined);
    }
    return this.#history;
  }

  #drive(client: Client, at: number): void {
    if (client.isMover && (this.#change !== 1 || this.#isRewritten)) return;
    if (client.op === undefined) {
      if (client.isMover) {
        const change: StrongChange = (value) => ({ value, result: null });
        const request = `move-${this.#now}`;
        const op = { change, from: this.#now, request, isRead: true };
        Object.assign(client, { op, tries: 1, wasOut: false, basedOn: undefined, set: 1 });
      } else if (client.done >= OPS_PER_CLIENT || this.#random() > 0.05) return;
      else this.#beginOp(client, at);
    }
    if (client.round === undefined && client.look === undefined) {
      if (this.#now >= client.waitUntil) this.#beginRound(client, at);
    } else if (this.#now - client.since > PATIENCE_STEPS) this.#failed(client);
    else if (this.#now - client.askedAt > FIRST_STEPS) this.#askBystanders(client, at);
  }

  #beginOp(client: Client, at: number): void {
    const { change, isRead } = this.#pickOp(at * 100 + client.done);
    const request = `${client.name}-${client.boot}-${client.done}`;
    Object.assign(client, {
      op: { change, from: this.#now, request, isRead },
      tries: 0,
      wasOut: false,
      basedOn: undefined,
    });
    if (!isRead || this.#fault !== 'a read takes what one replica has accepted') return;
    const row = this.#disks.get(this.#pick(REPLICAS));
    this.#end(client, row?.accepted?.state.value ?? null);
  }

  #beginRound(client: Client, at: number): void {
    const { op } = client;
    if (op === undefined) return;
    client.tries += 1;
    client.roundNumber += 1;
    client.since = this.#now;
    const isLooking = this.#isOfLooks || this.#random() < 0.5;
    if (op.isRead && client.tries === 1 && isLooking) {
      this.#beginLook(client, at);
      return;
    }
    const known = client.basedOn === undefined ? client.known : undefined;
    const ballot = known?.ballot ?? this.#ballot(client);
    client.ballot = ballot;
    client.next = this.#ballot(client);
    const isTwice = this.#fault === 'a retry is applied twice';
    client.round = beginRound({
      request: isTwice ? `${op.request}-${client.tries}` : op.request,
      change: op.change,
      ballot,
      next: client.next,
      groups: this.#groups(client),
      since: client.basedOn,
      ...(known === undefined ? {} : { known: known.accepted }),
    });
    client.known = undefined;
    this.#ask(client, at);
  }

  /** A fault of readings shows best where all reading is done so. */
  get #isOfLooks(): boolean {
    return this.#fault === OLD_LOOK || this.#fault === ANY_SAME;
  }

  /** As a replica reads, which looks at its own disk first, or as a replica whose disk does not answer in time. */
  #beginLook(client: Client, at: number): void {
    const own = (SETS[client.set] ?? []).flat()[at];
    const isSet = own !== undefined && (this.#numbers.get(own) ?? 0) <= client.set;
    if (!isSet || (!this.#isOfLooks && this.#random() < 0.3)) {
      client.look = beginLook(this.#groups(client));
      this.#sendAll(client, at, { t: 'look' });
      return;
    }
    this.#adopt(own, client.set);
    const isOld = this.#fault === OLD_LOOK;
    const kept = isOld ? this.#accepted.get(own) : this.#disks.get(own)?.accepted;
    client.look = beginLook(this.#groups(client), kept);
    const found = client.look.hear(own, { t: 'shown', ...(kept && { accepted: kept }) });
    if (found !== undefined) throw new Error('one replica of several is no majority');
    this.#sendAll(client, at, { t: 'look', known: kept?.ballot });
  }

  #ask(client: Client, at: number): void {
    if (client.round === undefined) return;
    client.wasOut ||= client.round.isOut;
    client.basedOn ??= client.round.isOut ? client.round.basedOn : undefined;
    const question = this.#shortOf(client.round.question);
    if (!this.#isOfFew) {
      this.#sendAll(client, at, question);
      return;
    }
    const first = this.#firstOf(client, at);
    client.askedAt = this.#now;
    client.bystanders = replicasOf(client).filter((replica) => !first.includes(replica));
    this.#send(first, { client: at, round: client.roundNumber, set: client.set, question });
  }

  /** A proposer's own replica, and as many more as make a majority with it; all of them while the replicas change. */
  #firstOf(client: Client, at: number): readonly string[] {
    const all = replicasOf(client);
    const own = all[at];
    if (SETS[client.set]?.length !== 1 || own === undefined) return all;
    const others = all.filter((replica) => replica !== own);
    const few = others.toSorted(() => this.#random() - 0.5).slice(0, Math.floor(all.length / 2));
    return [own, ...few];
  }

  #askBystanders(client: Client, at: number): void {
    if (client.round === undefined || client.bystanders.length === 0) return;
    const { bystanders, round, roundNumber, set } = client;
    client.bystanders = [];
    this.#send(bystanders, { client: at, round: roundNumber, set, question: round.question });
  }

  /** Tells bystanders what was chosen, or does not come to that: nobody waits for their answers. */
  #tellBystanders(client: Client, question: QuorumQuestion): void {
    const { bystanders, set } = client;
    client.bystanders = [];
    if (bystanders.length === 0 || this.#random() < 0.5) return;
    this.#send(bystanders, { client: 0, round: -1, set, question });
  }

  /** Most changes are sent as steps from the state before, to be put on top of that. */
  #shortOf(question: QuorumQuestion): NonNullable<Message['question']> {
    if (question.t !== 'accept' || question.made === undefined) return question;
    if (this.#random() < 0.2) return question;
    const { ballot, next, made } = question;
    return { t: 'step', ballot, next, ...made };
  }

  #sendAll(client: Client, at: number, question: NonNullable<Message['question']>): void {
    const { roundNumber: round, set } = client;
    this.#send(replicasOf(client), { client: at, round, set, question });
  }

  #send(to: readonly string[], message: Omit<Message, 'replica'>): void {
    for (const replica of to) this.#messages.push({ ...message, replica });
  }

  #deliver(): void {
    for (let i = 0; i < 3 && this.#messages.length > 0; i += 1) {
      const at = Math.floor(this.#random() * this.#messages.length);
      const isRepeated = this.#random() < 0.05;
      const [message] = isRepeated ? [this.#messages[at]] : this.#messages.splice(at, 1);
      if (message === undefined || this.#random() < 0.12) continue;
      if (message.question !== undefined) this.#serve(message, message.question);
      else if (message.answer !== undefined) this.#hear(message, message.answer);
    }
  }

  #serve(message: Message, question: NonNullable<Message['question']>): void {
    const { client, round, replica, set } = message;
    const number = this.#numbers.get(replica) ?? 0;
    if (set < number) {
      const answer = { t: 'moved', set: number } as const;
      this.#messages.push({ client, round, replica, set: number, answer });
      return;
    }
    // Who asks by a later set has told of that before.
    this.#adopt(replica, set);
    const before = this.#disks.get(replica);
    const floor = this.#floors.get(replica) ?? NO_FLOOR;
    if (question.t === 'look') {
      this.#messages.push({ client, round, replica, set, answer: this.#shown(before, question) });
      return;
    }
    if (question.t === 'erase') {
      const left = eraseRow(before, question, floor);
      if (left === undefined) return;
      this.#disks.set(replica, undefined);
      if (this.#fault !== UNFLOORED) this.#floors.set(replica, left);
      return;
    }
    const whole = question.t === 'step' ? this.#wholeOf(before, question) : question;
    if (whole === undefined) {
      const answer = { t: 'whole', ballot: question.ballot } as const;
      this.#messages.push({ client, round, replica, set, answer });
      return;
    }
    const { row, answer } = this.#answerOf(before, whole, floor);
    const isLow =
      this.#fault === 'a promise is not raised by an accept' && answer.t === 'accepted' && row;
    const kept = isLow ? { ...row, promised: before?.promised ?? NO_BALLOT } : row;
    this.#disks.set(replica, kept);
    if (answer.t === 'accepted') this.#accepted.set(replica, before?.accepted);
    this.#messages.push({ client, round, replica, set, answer });
  }

  #wholeOf(row: AcceptorRow | undefined, step: StepQuestion): QuorumQuestion | undefined {
    const isAny = this.#fault === UNBASED && row?.accepted !== undefined;
    return wholeOf(row, isAny ? { ...step, from: row.accepted.ballot } : step);
  }

  #shown(row: AcceptorRow | undefined, { known }: { readonly known?: Ballot | undefined }): Shown {
    const shown = { t: 'shown', ...row } as const;
    const isAny = this.#fault === ANY_SAME && row?.accepted !== undefined;
    return shownTo(shown, isAny && known !== undefined ? row.accepted.ballot : known);
  }

  /** Sends the erasure of a deletion that all replicas show. */
  #erase(): void {
    const set = Math.max(...this.#numbers.values());
    const [group = []] = SETS[set] ?? [];
    if (set === 1 || group.some((replica) => this.#numbers.get(replica) !== set)) return;
    const rows = group.map((replica) => this.#disks.get(replica));
    const accepted = rows.find((row) => row?.accepted !== undefined)?.accepted;
    if (accepted === undefined || accepted.state.value !== undefined) return;
    const { ballot, state } = accepted;
    const isSame = (row: AcceptorRow | undefined): boolean =>
      row === undefined ||
      (row.accepted !== undefined && compareBallots(row.accepted.ballot, ballot) === 0);
    if (!rows.every(isSame)) return;
    let below = ballot;
    for (const row of rows) {
      if (row !== undefined && compareBallots(row.promised, below) > 0) below = row.promised;
    }
    const question = { t: 'erase', ballot, below, count: state.count } as const;
    for (const replica of group) {
      this.#messages.push({ client: 0, round: -1, replica, set, question });
    }
  }

  get #isRewritten(): boolean {
    return (this.#clients[CLIENTS]?.done ?? 0) > 0;
  }

  /** Carries the change of the replicas on: each replica is told at some time. */
  #changeReplicas(): void {
    const number = this.#change;
    if (number === undefined) return;
    if (number === 0) {
      if (this.#now > 100 && this.#random() < 0.02) this.#change = 1;
      return;
    }
    this.#adopt(this.#pick(ALL), number);
    if (number === 2) return;
    const told = new Set(ALL.filter((replica) => (this.#numbers.get(replica) ?? 0) >= 1));
    const isSkipped = this.#fault === SKIPPED;
    if (!isMajority(SETS[1] ?? [], told) || !(isSkipped || this.#isRewritten)) return;
    this.#change = 2;
    // New replicas begin their numbers where those before were.
    const count = Math.max(0, ...[...this.#floors.values()].map((floor) => floor.count));
    for (const replica of LATER) {
      const floor = this.#floors.get(replica) ?? NO_FLOOR;
      this.#floors.set(replica, { ...floor, count: Math.max(count, floor.count) });
    }
  }

  #adopt(replica: string, number: number): void {
    this.#numbers.set(replica, Math.max(number, this.#numbers.get(replica) ?? 0));
  }

  #answerOf(
    row: AcceptorRow | undefined,
    question: QuorumQuestion,
    floor: Floor,
  ): ReturnType<typeof answerQuestion> {
    const { ballot } = question;
    const isTwice = this.#fault === 'a ballot is used twice, and promised twice';
    // What is promised ahead would hide the fault mostly.
    const asked = isTwice && question.t === 'accept' ? { ...question, next: ballot } : question;
    const answered = answerQuestion(row, asked, floor);
    if (!isTwice || question.t !== 'prepare' || row?.promised.join() !== ballot.join())
      return answered;
    const accepted = row.accepted === undefined ? {} : { accepted: row.accepted };
    return { row, answer: { t: 'promised', ballot, ...accepted } };
  }

  #hear(message: Message, answer: NonNullable<Message['answer']>): void {
    const client = this.#clients[message.client];
    if (client === undefined || client.roundNumber !== message.round) return;
    if (answer.t === 'moved') {
      client.set = Math.max(client.set, answer.set);
      client.known = undefined;
      if (client.round !== undefined || client.look !== undefined) this.#failed(client);
      return;
    }
    if (answer.t === 'shown') {
      const found = client.look?.hear(message.replica, answer);
      if (found === 'differ') this.#failed(client);
      else if (found !== undefined) this.#end(client, found.value ?? null);
      return;
    }
    if (client.round === undefined) return;
    if (answer.t === 'whole') {
      const { client: to, round, replica, set } = message;
      const { question } = client.round;
      if (question.t === 'accept')
        this.#messages.push({ client: to, round, replica, set, question });
      return;
    }
    const end = client.round.hear(message.replica, answer);
    if (end === 'ask') this.#ask(client, message.client);
    else if (end?.t === 'done') {
      const accepted = { ballot: client.ballot, state: end.state };
      client.known = { ballot: client.next, accepted };
      this.#tellBystanders(client, client.round.question);
      this.#end(client, end.result);
    } else if (end?.t === 'forgotten') this.#end(client, undefined);
    else if (end?.t === 'refused') {
      client.counter = Math.max(client.counter, end.higher[0]);
      this.#failed(client);
    }
  }

  #failed(client: Client): void {
    const question = client.round?.question;
    const isKept = this.#fault === 'a state is kept for the next round after somebody else came';
    if (isKept && question?.t === 'accept') {
      const accepted = { ballot: client.ballot, state: { ...question.state, ops: [] } };
      client.known = { ballot: this.#ballot(client), accepted };
    }
    client.round = undefined;
    client.look = undefined;
    client.waitUntil = this.#now + Math.floor(this.#random() * 60 * 2 ** client.tries);
    if (client.tries >= TRIES_MAX && !client.isMover) this.#end(client, undefined);
  }

  /** Of what was never proposed, nothing can have happened: that is told as failed, and leaves no trace. */
  #end(client: Client, result: Json | undefined): void {
    const { op, wasOut } = client;
    if (op === undefined) return;
    if (client.isMover) {
      Object.assign(client, { op: undefined, round: undefined, look: undefined });
      if (result !== undefined) client.done = 1;
      return;
    }
    const isKnown = result !== undefined;
    const isTold = isKnown || (wasOut && this.#fault !== 'an unknown outcome is told as failed');
    const to = isKnown ? this.#now : Number.POSITIVE_INFINITY;
    if (isTold) {
      const apply: Operation['apply'] = (value) => op.change(value, 0);
      this.#history.push({ from: op.from, to, apply, result });
    }
    Object.assign(client, {
      op: undefined,
      round: undefined,
      look: undefined,
      done: client.done + 1,
    });
  }

  #restartReplica(): void {
    const replica = this.#pick(this.#change === undefined ? REPLICAS : ALL);
    const row = this.#disks.get(replica);
    if (this.#fault === 'a replica forgets all and stays the same') {
      this.#disks.set(replica, undefined);
    } else if (this.#fault === 'a promise is not on disk before the answer' && row !== undefined) {
      const promised = row.accepted?.ballot ?? NO_BALLOT;
      this.#disks.set(replica, { ...row, promised });
    }
  }

  #restartProposer(): void {
    const client = this.#pick(this.#clients);
    if (client.op !== undefined && client.wasOut) this.#end(client, undefined);
    else Object.assign(client, { op: undefined, round: undefined, look: undefined });
    client.known = undefined;
    client.counter = 0;
    client.boot += 1;
  }

  #groups({ set }: Client): Groups {
    const groups = SETS[set] ?? [];
    if (this.#fault !== 'two of five are taken for a majority') return groups;
    return groups.map((group) => group.toSorted(() => this.#random() - 0.5).slice(0, 3));
  }

  #ballot(client: Client): Ballot {
    client.counter += 1;
    // As if each proposer were a later start of one node, while what the earlier one sent is still under way.
    const isReused = this.#fault === 'a ballot is used twice, and promised twice';
    return isReused ? [client.counter, 1, 'p'] : [client.counter, client.boot, client.name];
  }

  #pickOp(number: number): { readonly change: StrongChange; readonly isRead: boolean } {
    const kind = this.#random();
    if (kind < 0.35) {
      return { isRead: true, change: (value) => ({ value, result: value ?? null }) };
    }
    if (kind < 0.7) {
      const add: StrongChange = (value) => {
        const sum = (typeof value === 'number' ? value : 0) + 1;
        return { value: sum, result: sum };
      };
      return { isRead: false, change: add };
    }
    if (this.#isErasing && kind < 0.85) {
      const remove: StrongChange = (value) =>
        value === undefined ? { value, result: false } : { value: undefined, result: true };
      return { isRead: false, change: remove };
    }
    const wanted = Math.floor(this.#random() * 6);
    const set: StrongChange = (value) =>
      (value ?? 0) === wanted ? { value: 1000 + number, result: true } : { value, result: false };
    return { isRead: false, change: set };
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }
}

/** All replicas that somebody asks, each once. */
function replicasOf({ set }: Client): readonly string[] {
  return [...new Set((SETS[set] ?? []).flat())];
}
