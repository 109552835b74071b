/**
 * Agents that work together on one task by turns (PacketFlow's `collaborate`). `hierarchical`: the first of them plans,
 * the others work, the first concludes, or has them work once more. `peer-to-peer`: each has its turn in order, sees what
 * was said before, and they are done when all of them say so in one round. The context that they share, each turn and the
 * end stand on a board. Rounds, turns, sizes and the time of all of it are bounded, so that each ends.
 */
import { StarlingError, isObject, messageOf, restMs } from '../core/index.ts';
import type { Clock, Did, Json, JsonObject, Random } from '../core/index.ts';
import { labelOf } from '../agents/index.ts';
import type { Agents } from '../agents/index.ts';
import type { Blackboard, Board } from '../blackboard/index.ts';
import { readTaint, worstTaint } from '../guard/index.ts';
import type { Principal, Taint } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import {
  BOARDS_KEPT,
  COLLABORATIONS_MAX,
  CONTEXT_KEYS_MAX,
  CONTEXT_MAX,
  FAILURES_MAX,
  SAID_MAX,
  TOLD_MAX,
} from './collaboration-limits.ts';

/** How agents work together. */
export const MODES = ['hierarchical', 'peer-to-peer'] as const;
/** See {@link MODES}. */
export type Mode = (typeof MODES)[number];

/** What somebody wants agents to do together. */
export interface CollaborateInit {
  /** The first leads where the mode is `hierarchical`. */
  readonly participants: readonly string[];
  readonly task: string;
  readonly mode: Mode;
  readonly context: JsonObject;
  readonly rounds: number;
  readonly turnMs: number;
  readonly timeoutMs: number;
}

/** One turn of one agent. */
export interface Turn {
  readonly agent: string;
  readonly role: 'coordinator' | 'worker' | 'peer';
  readonly round: number;
  /** What it was asked to do. */
  readonly ask: 'plan' | 'work' | 'conclude' | 'contribute';
  readonly ms: number;
  /** What it said; absent where it failed. */
  readonly said?: Json;
  readonly error?: string;
}

/** The answer of `ai_collaborate`. */
export interface CollaborateResult {
  readonly collaborationId: string;
  readonly coordination_mode: Mode;
  /** `agreed`: all of them, or the leader, said that it is done. `rounds`, `time`: one of these bounds ended it. */
  readonly status: 'agreed' | 'rounds' | 'time';
  /** What the leader, or the last one, has said. */
  readonly result: Json;
  readonly rounds: number;
  readonly participants: readonly {
    readonly agent: string;
    readonly role: Turn['role'];
    readonly turns: number;
    readonly failed: number;
  }[];
  readonly turns: readonly Turn[];
  readonly shared_context: JsonObject;
  readonly board: string;
  /** The least trusted zone that what was said may be made of; absent where that is this node alone. */
  readonly taint?: Taint;
}

/** The rooms below. */
export interface CollaborationsComponents {
  readonly agents: Pick<Agents, 'message' | 'requireTaskFor'>;
  readonly blackboard: Blackboard;
  readonly membership: Pick<Membership, 'byAlias'>;
  /** Lets the client of the caller read the board. */
  readonly letRead: (board: Board, client: string) => Promise<void>;
  readonly node: { readonly name: string; readonly did: Did };
  readonly clock: Clock;
  readonly random: Random;
}

/** The collaborations of a node. */
export interface Collaborations {
  /**
   * Resolves when it has ended. @throws STARLING_CALL_REFUSED where `principal` may not give a task to one of them,
   * STARLING_AGENT_FAILED where the leader, or all but one, fail; STARLING_LIMIT_EXCEEDED
   */
  collaborate(
    principal: Principal,
    init: CollaborateInit,
    signal: AbortSignal,
  ): Promise<CollaborateResult>;
}

const PREFIX = 'collaboration.';

/** Makes the collaborations of a node. */
export function createCollaborations(components: CollaborationsComponents): Collaborations {
  let running = 0;
  return {
    async collaborate(principal, init, signal) {
      if (running >= COLLABORATIONS_MAX) throw full();
      const { participants } = init;
      const twice = participants.find((one, at) => participants.indexOf(one) !== at);
      if (twice !== undefined) {
        throw new StarlingError('STARLING_USAGE', `${twice} is named twice`);
      }
      for (const agent of participants) components.agents.requireTaskFor(principal, agent);
      checkContext(init.context);
      running += 1;
      try {
        return await new Together(components, principal, init, signal).run();
      } finally {
        running -= 1;
      }
    },
  };
}

interface Member {
  readonly agent: string;
  readonly role: Turn['role'];
  turns: number;
  failed: number;
  /** In a row. */
  failing: number;
  isDone: boolean;
}

/** One collaboration while it goes on. */
class Together {
  readonly #components: CollaborationsComponents;
  readonly #principal: Principal;
  readonly #init: CollaborateInit;
  readonly #id: string;
  readonly #members: readonly Member[];
  readonly #startedAt: number;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #turns: Turn[] = [];
  #context: JsonObject;
  #result: Json = null;
  #taint: Taint | undefined;
  #board: Board | undefined;

  constructor(
    components: CollaborationsComponents,
    principal: Principal,
    init: CollaborateInit,
    signal: AbortSignal,
  ) {
    this.#components = components;
    this.#principal = principal;
    this.#init = init;
    const { clock, random } = components;
    this.#startedAt = clock.now();
    this.#id = labelOf('task', this.#startedAt, random).replace('task', 'collaboration');
    this.#signal = AbortSignal.any([signal, this.#over.signal]);
    this.#context = init.context;
    const isLed = init.mode === 'hierarchical';
    this.#members = init.participants.map((agent, at) => ({
      agent,
      role: isLed ? (at === 0 ? 'coordinator' : 'worker') : 'peer',
      turns: 0,
      failed: 0,
      failing: 0,
      isDone: false,
    }));
  }

  async run(): Promise<CollaborateResult> {
    const { clock } = this.#components;
    const cancel = clock.schedule(this.#init.timeoutMs, () => this.#over.abort());
    try {
      this.#board = await this.#open();
      let status: CollaborateResult['status'] = 'rounds';
      let round = 0;
      while (round < this.#init.rounds && status === 'rounds') {
        round += 1;
        if (await this.#round(round)) status = 'agreed';
        else if (this.#signal.aborted) status = 'time';
      }
      await this.#write('end', { status, result: this.#result, rounds: round });
      return this.#view(status, round);
    } catch (error) {
      await this.#write('end', { status: 'failed', reason: messageOf(error) });
      throw error;
    } finally {
      cancel();
    }
  }

  /** True when they say that it is done. */
  async #round(round: number): Promise<boolean> {
    return this.#init.mode === 'hierarchical' ? this.#led(round) : this.#among(round);
  }

  async #led(round: number): Promise<boolean> {
    const [leader, ...workers] = this.#members as [Member, ...Member[]];
    await this.#leads(leader, round, 'plan');
    // What they say is put together in their order, not in that of their answers.
    const asked = workers.filter(isAsked);
    const turns = await Promise.all(asked.map((one) => this.#ask(one, round, 'work')));
    for (const [at, turn] of turns.entries()) await this.#note(asked[at] as Member, turn);
    this.#require(workers.filter(isAsked).length > 0, workers.at(-1) ?? leader);
    if (this.#signal.aborted) return false;
    const said = await this.#leads(leader, round, 'conclude');
    // A leader that says nothing of it has concluded.
    return said !== undefined && !(isObject(said) && said['done'] === false);
  }

  /** The leader has its turn, and once more where it fails. */
  async #leads(leader: Member, round: number, ask: Turn['ask']): Promise<Json | undefined> {
    while (isAsked(leader) && !this.#signal.aborted) {
      const turn = await this.#ask(leader, round, ask);
      await this.#note(leader, turn);
      if (turn.said !== undefined) return turn.said;
    }
    this.#require(isAsked(leader), leader);
    return undefined;
  }

  async #among(round: number): Promise<boolean> {
    for (const member of this.#members.filter(isAsked)) {
      if (this.#signal.aborted) return false;
      await this.#note(member, await this.#ask(member, round, 'contribute'));
    }
    const left = this.#members.filter(isAsked);
    this.#require(
      left.length > 1,
      this.#members.find((one) => !isAsked(one)),
    );
    return left.every(({ isDone }) => isDone);
  }

  /** Never rejects, but when whoever wanted all this has gone. */
  async #ask({ agent, role }: Member, round: number, ask: Turn['ask']): Promise<Turn> {
    const { agents, clock } = this.#components;
    const { mode, participants, rounds, task, turnMs } = this.#init;
    const at = clock.now();
    const base = { agent, role, round, ask } as const;
    const leftMs = restMs(at, this.#startedAt, this.#init.timeoutMs);
    try {
      // Whoever wants this may have lost the right meanwhile.
      agents.requireTaskFor(this.#principal, agent);
      const { response = null, taint } = await agents.message(
        this.#principal,
        {
          to: agent,
          type: 'query',
          isTask: true,
          // It is told what the others have said.
          taint: this.#taint,
          timeoutMs: Math.min(turnMs, leftMs),
          message: {
            collaborationId: this.#id,
            task,
            coordination_mode: mode,
            role,
            ask,
            round,
            rounds,
            participants: [...participants],
            shared_context: this.#context,
            said: this.#told(),
            board: this.#boardName(),
          },
        },
        this.#signal,
      );
      this.#taint = worstTaint(this.#taint, taint);
      if (sizeOf(response) > SAID_MAX) throw new Error(`it said more than ${SAID_MAX} bytes`);
      return { ...base, ms: clock.now() - at, said: response };
    } catch (error) {
      const read = error instanceof StarlingError ? readTaint(error.data['taint']) : undefined;
      this.#taint = worstTaint(this.#taint, read);
      return { ...base, ms: clock.now() - at, error: messageOf(error) };
    }
  }

  async #note(member: Member, turn: Turn): Promise<void> {
    member.turns += 1;
    this.#turns.push(turn);
    const { said } = turn;
    if (said === undefined) {
      member.failed += 1;
      member.failing += 1;
      // What it said before is not what it says now.
      member.isDone = false;
    } else {
      member.failing = 0;
      member.isDone = isObject(said) && said['done'] === true;
      if (turn.ask !== 'plan' && turn.role !== 'worker') this.#result = resultIn(said);
      await this.#share(said);
    }
    await this.#write(`turn/${String(this.#turns.length).padStart(4, '0')}`, { ...turn });
  }

  /** What an agent says is to be in the context of all, as far as there is room. */
  async #share(said: Json): Promise<void> {
    const added = isObject(said) ? said['context'] : undefined;
    if (!isObject(added)) return;
    for (const [key, value] of Object.entries(added)) {
      const next = { ...this.#context, [key]: value ?? null };
      const isRoom = Object.keys(next).length <= CONTEXT_KEYS_MAX && sizeOf(next) <= CONTEXT_MAX;
      if (!isRoom || key === '' || key.length > 128) continue;
      this.#context = next;
      await this.#write(`context/${key}`, value ?? null);
    }
  }

  /** What was said, the newest as far as there is room. */
  #told(): Json[] {
    const told: Json[] = [];
    let bytes = 0;
    for (const { agent, ask, error, role, round, said } of this.#turns.toReversed()) {
      const one = {
        agent,
        role,
        round,
        ask,
        ...(error === undefined ? { said: said ?? null } : { error }),
      };
      bytes += sizeOf(one);
      if (bytes > TOLD_MAX) break;
      told.unshift(one);
    }
    return told;
  }

  #require(isMet: boolean, who: Member | undefined): void {
    if (isMet || this.#signal.aborted) return;
    const last = this.#turns.findLast((turn) => turn.agent === who?.agent);
    const agent = who?.agent ?? '';
    throw new StarlingError(
      'STARLING_AGENT_FAILED',
      `they can't go on without ${agent}: ${last?.error ?? 'it failed'}`,
      {
        hint: `see how far they came: starling board list ${this.#boardName()}`,
        data: {
          agentId: agent,
          reason: 'failed',
          duration: this.#components.clock.now() - this.#startedAt,
          board: this.#boardName(),
        },
      },
    );
  }

  /** A board that the nodes of those who take part may read, and this one alone writes. */
  async #open(): Promise<Board> {
    const { blackboard, letRead, membership } = this.#components;
    await this.#forgetOldest();
    const board = await blackboard.board(this.#boardName());
    await board.create({ open: false, signed: true });
    for (const node of new Set(this.#init.participants.map(nodeOf))) {
      const peer = node === undefined ? undefined : membership.byAlias(node);
      if (peer !== undefined) await board.grant({ to: peer.did, ability: 'read' });
    }
    const here = this.#init.participants.filter((one) => nodeOf(one) === undefined);
    for (const agent of here) await letRead(board, `agent:${agent}`);
    if (this.#principal.kind === 'client') await letRead(board, this.#principal.name);
    const { mode, participants, task } = this.#init;
    await board.set('task', { task, coordination_mode: mode, participants: [...participants] });
    for (const [key, value] of Object.entries(this.#context)) {
      await board.set(`context/${key}`, value ?? null);
    }
    return board;
  }

  async #forgetOldest(): Promise<void> {
    const { blackboard, node } = this.#components;
    const boards = await Promise.all(
      blackboard
        .names()
        .filter((one) => one.startsWith(PREFIX))
        .map((one) => blackboard.board(one)),
    );
    const own = boards
      .filter((board) => board.info().createdBy === node.did && board.get('end') !== undefined)
      .toSorted((one, other) => (one.info().createdAt ?? 0) - (other.info().createdAt ?? 0));
    for (const board of own.slice(0, Math.max(0, own.length - BOARDS_KEPT + 1))) await board.drop();
  }

  async #write(key: string, value: Json): Promise<void> {
    await this.#board?.set(key, value);
  }

  #boardName(): string {
    return `${PREFIX}${this.#id.slice('collaboration_'.length)}`;
  }

  #view(status: CollaborateResult['status'], rounds: number): CollaborateResult {
    return {
      collaborationId: this.#id,
      coordination_mode: this.#init.mode,
      status,
      result: this.#result,
      rounds,
      participants: this.#members.map(({ agent, failed, role, turns }) => ({
        agent,
        role,
        turns,
        failed,
      })),
      turns: this.#turns,
      shared_context: this.#context,
      board: this.#boardName(),
      ...(this.#taint === undefined ? {} : { taint: this.#taint }),
    };
  }
}

function isAsked({ failing }: Member): boolean {
  return failing < FAILURES_MAX;
}

/** What an agent gives as the result, where it says so; else all that it said. */
function resultIn(said: Json): Json {
  return isObject(said) && 'result' in said ? (said['result'] ?? null) : said;
}

/** Of `<agent>@<node>`. */
function nodeOf(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  return at < 0 ? undefined : address.slice(at + 1);
}

function sizeOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** @throws STARLING_USAGE */
function checkContext(context: JsonObject): void {
  const keys = Object.keys(context);
  const isFit = keys.every((key) => key !== '' && key.length <= 128);
  if (keys.length <= CONTEXT_KEYS_MAX && sizeOf(context) <= CONTEXT_MAX && isFit) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `shared_context may have ${CONTEXT_KEYS_MAX} members of 1 to 128 characters, and ${CONTEXT_MAX} bytes`,
    { hint: 'put what is larger on a board, and name that' },
  );
}

function full(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${COLLABORATIONS_MAX} collaborations go on at this node, and no more may`,
    { hint: 'ask again when one has ended', data: { reason: 'full', limit: COLLABORATIONS_MAX } },
  );
}
