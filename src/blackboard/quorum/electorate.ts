/**
 * The replicas of boards as this node knows them, and questions to each: of the set that holds, and of the disk that
 * is meant. Whoever is told of a later set goes by that one from then on; whoever is behind is told.
 */
import { StarlingError, settledWithin } from '../../core/index.ts';
import type { Clock, Did, Logger, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { compareBallots } from './acceptor.ts';
import type { Addressee, Cell, KeyBallot, Reply, ReplicaAsk } from './format.ts';
import type { QuorumLinks } from './links.ts';
import { LISTED_FOR_ONE, READING_COST } from './question-costs.ts';
import type { Spend } from './question-costs.ts';
import { isSame, shownTo } from './strong-read.ts';
import type { OtherSet, Replica } from './replica.ts';
import { firstSet, votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';

/** A change of replicas, as somebody signed it who may. */
export interface SetRecord {
  readonly by: Did;
  /** The number of the set in which the old and the new replicas are needed. */
  readonly number: number;
  readonly voters: readonly Voter[];
  readonly before: readonly Voter[];
}

/** What one strong board is, for whoever changes its keys. */
export interface StrongBoard {
  /** Dids of the replicas with which the board was made, as its record names them. */
  readonly first: readonly Did[];
  /** What their disks are called; absent in records that don't say. */
  readonly disks?: readonly string[] | undefined;
  /** The last change of the replicas, as far as records have come. */
  readonly lastChange?: SetRecord | undefined;
  mayRead(did: Did): boolean;
  mayWrite(did: Did, key: string): boolean;
  mayAdminister(did: Did): boolean;
  /** Reads a change of replicas; undefined when nobody has signed it who might. */
  readChange(record: string): SetRecord | undefined;
  /** Whether a change of replicas counts by the rights of now, or did when its signer lost the right. */
  isCounted(record: string): boolean;
}

/** What the electorate works with. */
export interface ElectorateComponents {
  readonly network: Pick<Network, 'report'>;
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly replica: Replica;
  readonly links: QuorumLinks;
  /** The peer that has a replica's key, or the key that took its place; undefined of what is no key. */
  peerOf(replica: Did): PeerId | undefined;
  /** Whether `did` is a replica's, or has taken its place. */
  readonly isSameNode: (did: Did, replica: Did) => boolean;
  /** A strong board that is here. */
  find(board: string): StrongBoard | undefined;
  /** Hears of each promise that is kept here, and of each value that was accepted. */
  readonly kept: (cell: Cell, isAccepted: boolean) => void;
  /** Hears of each key that was erased here. */
  readonly erased: (cell: Cell) => void;
}

/** Who asks, and pays for what that costs. */
interface Asking {
  readonly peer: PeerId;
  readonly did: Did;
  readonly spend: Spend;
}

/** What this node asks itself is paid for by whoever asked for it. */
const FREE: Spend = () => true;

/** How long a replica may take for one question. Higher: slow disks and links count; lower: a dead one holds up less. */
export const ANSWER_MS = 1000;
/**
 * How long this node's own disk may take for one question: as long as a change is tried. Higher: the caller of a change that
 * hangs on it waits for longer; lower: a slow disk is asked again while it still writes.
 */
const OWN_ANSWER_MS = 5000;
/** Bytes of the keys of one answer. */
const KEYS_BYTES_MAX = 512 * 1024;

/** The replicas of boards. */
export class Electorate {
  readonly #components: ElectorateComponents;
  /** Boards of which was said that this node's disk is not the one that is meant. */
  readonly #lost = new Set<string>();
  /** The last listing of keys, which reads all of a board: one at a time. */
  #listing: Promise<unknown> = Promise.resolve();

  constructor(components: ElectorateComponents) {
    this.#components = components;
  }

  /**
   * The set that this node goes by. Of a board that is not here any more, because the node stops while something is
   * under way, that has nobody: no question is asked then, and whoever waits is told that nobody answers.
   */
  async setOf(id: string): Promise<ReplicaSet> {
    const board = this.#components.find(id);
    const first = firstSet(board?.first ?? [], board?.disks);
    return (await this.#components.replica.setOf(id)) ?? first;
  }

  /** The replicas as far as this node has heard, whether it is one or not. */
  async heardOf(id: string): Promise<ReplicaSet> {
    const set = await this.setOf(id);
    const last = this.#components.find(id)?.lastChange;
    if (last === undefined || last.number <= set.number) return set;
    return { number: last.number + 1, voters: last.voters, count: set.count };
  }

  /** Which voter of a set this node is, with the disk that it has; undefined when it is none. */
  async ownVoter(set: ReplicaSet): Promise<Voter | undefined> {
    const disk = await this.#components.replica.disk();
    return votersOf(set).find((voter) => this.#isSelf(voter, disk));
  }

  /** Asks a replica of a set, which may be this node; undefined when it does not answer in time. Never rejects. */
  async ask(
    voter: Voter,
    set: ReplicaSet,
    { cell, ask }: { readonly cell: Cell; readonly ask: ReplicaAsk },
  ): Promise<Reply | undefined> {
    const { self, isSameNode, links } = this.#components;
    const to: Addressee = { set: set.number, disk: voter.disk };
    if (isSameNode(self, voter.did)) return this.#askSelfInTime(cell, { to, ...ask });
    const peer = this.#components.peerOf(voter.did);
    if (peer === undefined) return undefined;
    let reply = await this.#askPeer(peer, { cell, to, ask: shortOf(ask) });
    // Of a replica that was away while the state before was accepted.
    if (reply?.t === 'whole') reply = await this.#askPeer(peer, { cell, to, ask });
    if (reply?.t === 'moved') {
      await this.adopt(cell.board, reply.state).catch(() => false);
      return reply;
    }
    if (reply?.t !== 'behind' || set.number === 0) return reply;
    const told = await links.ask(peer, cell, { t: 'adopt', state: set }, ANSWER_MS);
    if (told.reply?.t !== 'adopted') return undefined;
    return this.#askPeer(peer, { cell, to, ask });
  }

  async #askPeer(
    peer: PeerId,
    { cell, to, ask }: { readonly cell: Cell; readonly to: Addressee; readonly ask: ReplicaAsk },
  ): Promise<Reply | undefined> {
    const { reply } = await this.#components.links.ask(peer, cell, { to, ...ask }, ANSWER_MS);
    return reply;
  }

  /** Tells a voter, which may be this node, to go by a set; whether it does. Never rejects. */
  async tell(voter: Voter, cell: Cell, set: ReplicaSet): Promise<boolean> {
    const { self, isSameNode, links } = this.#components;
    if (isSameNode(self, voter.did)) return this.adopt(cell.board, set).catch(() => false);
    const peer = this.#components.peerOf(voter.did);
    if (peer === undefined) return false;
    const ask = { t: 'adopt', state: set } as const;
    return (await links.ask(peer, cell, ask, ANSWER_MS)).reply?.t === 'adopted';
  }

  /** Goes by a set from now on, if it is a later one that somebody signed who may. @throws what the disk says */
  async adopt(id: string, set: ReplicaSet): Promise<boolean> {
    const board = this.#components.find(id);
    const record = set.record === undefined ? undefined : board?.readChange(set.record);
    if (record === undefined || !isOf(set, record)) return false;
    const disk = await this.#components.replica.disk();
    return this.#components.replica.adopt(id, set, (voter) => this.#isSelf(voter, disk));
  }

  /** Answers a question to this node as a replica; undefined: no answer. @throws what the disk says */
  async answer(
    by: Asking,
    cell: Cell,
    ask: ReplicaAsk & { readonly to: Addressee },
  ): Promise<Reply | undefined> {
    const set = await this.setOf(cell.board);
    const { set: number, disk } = ask.to;
    const { isSameNode, network } = this.#components;
    const isVoter = votersOf(set).some(({ did }) => isSameNode(by.did, did));
    // First who asks, then what: which set holds is nobody else's business, nor whether there is one.
    if (number !== set.number) {
      if (!isVoter && !this.#isTold(by.did, cell.board, set)) return undefined;
      return number < set.number ? { t: 'moved', state: set } : { t: 'behind' };
    }
    const own = await this.ownVoter(set);
    const isMeant = own !== undefined && (disk === '' || disk === own.disk);
    if (!isMeant) return this.#lostDisk(cell.board, set);
    if (!isVoter || !isTurnOf(by.did, ask)) {
      network.report(by.peer, 'unpermitted');
      return undefined;
    }
    return this.#answer(cell, ask, by.spend);
  }

  /** This node's own disk may hang as any other's; what takes longer by its nature is waited for. */
  async #askSelfInTime(
    cell: Cell,
    ask: ReplicaAsk & { readonly to: Addressee },
  ): Promise<Reply | undefined> {
    const asked = this.#askSelf(cell, ask);
    if (ask.t === 'keys' || ask.t === 'erase') return asked;
    const isInTime = await settledWithin(OWN_ANSWER_MS, asked, this.#components.clock);
    return isInTime ? asked : undefined;
  }

  async #askSelf(
    cell: Cell,
    ask: ReplicaAsk & { readonly to: Addressee },
  ): Promise<Reply | undefined> {
    try {
      const own = await this.ownVoter(await this.setOf(cell.board));
      if (own === undefined || (ask.to.disk !== '' && ask.to.disk !== own.disk)) return undefined;
      return await this.#answer(cell, ask, FREE);
    } catch (error) {
      return failure(error);
    }
  }

  async #answer(
    cell: Cell,
    ask: ReplicaAsk & { readonly to: Addressee },
    spend: Spend,
  ): Promise<Reply | undefined> {
    const { replica } = this.#components;
    const { set } = ask.to;
    switch (ask.t) {
      case 'look': {
        if (replica.peek(cell, set) === undefined) spend(READING_COST);
        const shown = await replica.look(cell, set);
        return replyTo(shown.t === 'shown' ? shownTo(shown, ask.known) : shown);
      }
      case 'same':
        return this.#same({ board: cell.board, number: set, of: ask.of }, spend);
      case 'erase': {
        const erased = await replica.erase(cell, set, ask);
        if (erased === true) this.#components.erased(cell);
        return typeof erased === 'boolean' ? { t: 'erased', isErased: erased } : replyTo(erased);
      }
      case 'keys':
        return this.#inTurn(() => this.#keys(cell.board, ask.after, spend));
      default: {
        const answer = await replica.answer(cell, set, ask);
        const isAccepted = answer.t === 'accepted';
        if (isAccepted || answer.t === 'promised') this.#components.kept(cell, isAccepted);
        return replyTo(answer);
      }
    }
  }

  async #same(
    {
      board,
      number,
      of,
    }: { readonly board: string; readonly number: number; readonly of: readonly KeyBallot[] },
    spend: Spend,
  ): Promise<Reply> {
    const { replica } = this.#components;
    const others: number[] = [];
    let isPaid = true;
    for (const [at, [key, known]] of of.entries()) {
      const cell = { board, key };
      const kept = replica.peek(cell, number);
      // Of what is not read for whoever has had its share nothing is said: that one asks all then.
      if (kept === undefined) isPaid &&= spend(READING_COST);
      const shown = kept ?? (isPaid ? await replica.look(cell, number) : undefined);
      if (shown !== undefined && shown.t !== 'shown') return replyTo(shown);
      if (shown === undefined || !isSame(shown.accepted?.ballot, known)) others.push(at);
    }
    return { t: 'same', others };
  }

  /** Undefined for whoever has had its share: the board is read from its beginning for each answer. */
  async #keys(board: string, after: string, spend: Spend): Promise<Reply | undefined> {
    if (!spend(0)) return undefined;
    const { keys, count } = await this.#components.replica.keys(board);
    spend(keys.length / LISTED_FOR_ONE);
    const page: string[] = [];
    let bytes = 0;
    for (const key of keys.toSorted()) {
      if (key <= after) continue;
      bytes += Buffer.byteLength(key) + 8;
      if (bytes > KEYS_BYTES_MAX) return { t: 'keys', keys: page, count, more: true };
      page.push(key);
    }
    return { t: 'keys', keys: page, count, more: false };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const running = this.#listing.then(work);
    this.#listing = running.catch(() => undefined);
    return running;
  }

  /** Who keeps the board is for those who may read it, and for those who keep it, did before, or will. */
  #isTold(by: Did, id: string, set: ReplicaSet): boolean {
    const { isSameNode } = this.#components;
    const board = this.#components.find(id);
    const last = set.record === undefined ? undefined : board?.readChange(set.record);
    const next = board?.lastChange;
    const kept = [...(last?.before ?? []), ...(next?.voters ?? []), ...(next?.before ?? [])];
    const dids = [...kept.map(({ did }) => did), ...(board?.first ?? [])];
    return dids.some((did) => isSameNode(by, did)) || board?.mayRead(by) === true;
  }

  #lostDisk(board: string, set: ReplicaSet): undefined {
    const { self, isSameNode, logger } = this.#components;
    const isNamed = votersOf(set).some(({ did }) => isSameNode(self, did));
    if (!isNamed || this.#lost.has(board)) return undefined;
    this.#lost.add(board);
    logger.error(
      { board },
      'this node has lost the disk with which it kept a strong board, and answers nothing there: starling board replicas <board> --add <this node> makes it a new replica',
    );
    return undefined;
  }

  #isSelf(voter: Voter, disk: string): boolean {
    const { self, isSameNode } = this.#components;
    return (voter.disk === '' || voter.disk === disk) && isSameNode(self, voter.did);
  }
}

/** A question as it is put first: to accept a state is to take a step from the one before. */
function shortOf(ask: ReplicaAsk): ReplicaAsk {
  if (ask.t !== 'accept' || ask.made === undefined) return ask;
  const { ballot, next, made } = ask;
  return { t: 'step', ballot, next, ...made };
}

/** Whether a proposer asks by turns of its own: whoever took those of another could have one taken twice. */
function isTurnOf(did: Did, ask: ReplicaAsk): boolean {
  if (ask.t !== 'prepare' && ask.t !== 'accept' && ask.t !== 'step') return true;
  if (ask.ballot[2] !== did) return false;
  if (ask.t === 'prepare') return true;
  const { ballot, next } = ask;
  return next[2] === did && next[1] === ballot[1] && compareBallots(next, ballot) > 0;
}

/** Whether a set is one of the two that a record makes. */
function isOf(set: ReplicaSet, record: SetRecord): boolean {
  if (JSON.stringify(set.voters) !== JSON.stringify(record.voters)) return false;
  if (set.before === undefined) return set.number === record.number + 1;
  return (
    set.number === record.number && JSON.stringify(set.before) === JSON.stringify(record.before)
  );
}

function replyTo(answer: Exclude<Reply, { t: 'moved' | 'behind' }> | OtherSet): Reply {
  if (answer.t === 'moved' && 'set' in answer) return { t: 'moved', state: answer.set };
  return answer.t === 'behind' ? { t: 'behind' } : answer;
}

/** Why a question could not be answered, for whoever asked. */
export function failure(error: unknown): Extract<Reply, { t: 'failed' }> | undefined {
  if (!(error instanceof StarlingError)) return undefined;
  return { t: 'failed', code: error.code, text: error.message };
}
