/**
 * A board as its users have it: by name, whether it is open here or not. It comes into being with its first
 * entry or by `create`, and ends with its last one or by `drop`.
 */
import { StarlingError, pause } from '../../core/index.ts';
import type { Clock, Did, Json } from '../../core/index.ts';
import { creatorIn, nameIn } from '../board-id.ts';
import { digestOf } from './board.ts';
import type { OpenBoard } from './board.ts';
import { HIDDEN } from '../document/document.ts';
import type { BoardHistory } from '../disk/history.ts';
import { LIMITS, checkKey, checkName, invalid } from '../limits.ts';
import { readToken, writeToken } from '../lanes/session-token.ts';
import type {
  Board,
  BoardChange,
  BoardComing,
  BoardEntry,
  BoardHeld,
  BoardInfo,
  BoardRight,
  CreateOptions,
  HistoryLine,
  HistoryPage,
  HistoryQuery,
  ReplicaChange,
  RightInit,
  SetOptions,
  StrongCall,
  StrongOutcome,
  Tombstone,
} from '../types.ts';

/** The blackboard, as far as one board needs it. */
export interface BoardHome {
  readonly clock: Clock;
  readonly self: Did;
  /** @throws STARLING_STOPPED */
  checkRunning(): void;
  find(): OpenBoard | undefined;
  /** The id of the board that is meant now. */
  id(): string;
  /** Runs `work` on the board, which is made when there is none; one that stays empty is let go of. */
  write<T>(work: (board: OpenBoard) => Promise<T>): Promise<T>;
  /** Whether the board is held on demand; what of it is asked then: see `on-demand.ts`. */
  isOnDemand(): boolean;
  /** @throws STARLING_PEER_UNREACHABLE */
  hold(): Promise<void>;
  /** @throws STARLING_BOARD_BEHIND when its entries are not here */
  use(): void;
  held(): BoardHeld | undefined;
  watch(listener: (changes: readonly BoardChange[]) => void): () => void;
  history(): BoardHistory;
  /** What of the board of this id comes in now. */
  coming(id: string): readonly BoardComing[];
  /** The id of a new board of this name. */
  create(options: CreateOptions): Promise<string>;
  /** As `write`, on the board of this id. */
  writeTo<T>(id: string, work: (board: OpenBoard) => Promise<T>): Promise<T>;
  grant(init: RightInit): Promise<BoardRight>;
  revoke(whom: Did): Promise<readonly string[]>;
  /** Does a request on the strong board of this id. */
  strong(id: string, key: string, call: StrongCall): Promise<StrongOutcome>;
  replicas(id: string): Promise<readonly Did[]>;
  changeReplicas(id: string, change: ReplicaChange): Promise<void>;
}

/** The key under which a board says who created it. */
const CREATION = `${HIDDEN}board`;
/** How long a node may be behind a token. Longer: a client waits where it could ask another node. */
const BEHIND_MS = 2000;
const LOOK_AGAIN_MS = 20;

/** Whether a board exists: it was created, or holds an entry. */
export function exists({ access, document }: OpenBoard): boolean {
  if (document.size > 0) return true;
  // Its entries may not have come yet.
  return access?.creation !== undefined && document.tombstone(CREATION) === undefined;
}

/** Who created a board when; undefined of one that began with its first entry. */
export function creationOf({
  access,
  document,
}: OpenBoard): { readonly by: Did; readonly at: number } | undefined {
  const signed = access?.creation;
  return signed === undefined ? document.get(CREATION) : { by: signed.iss, at: signed.at };
}

/** The board called `name`. */
export function createBoardHandle(home: BoardHome, name: string): Board {
  return new Handle(home, name);
}

class Handle implements Board {
  readonly name: string;
  readonly #home: BoardHome;

  constructor(home: BoardHome, name: string) {
    this.name = name;
    this.#home = home;
  }

  get id(): string {
    return this.#home.id();
  }

  get isOpen(): boolean {
    return creatorIn(this.id) === undefined;
  }

  async hold(): Promise<void> {
    this.#home.checkRunning();
    await this.#home.hold();
  }

  get(key: string): BoardEntry | undefined {
    if (key.startsWith(HIDDEN)) return undefined;
    this.#home.use();
    return this.#home.find()?.document.get(key);
  }

  get isStrong(): boolean {
    return this.#home.find()?.access?.replicas !== undefined;
  }

  async strong(key: string, call: StrongCall): Promise<StrongOutcome> {
    checkKey(key, LIMITS);
    const board = this.#strongBoard();
    if (call.request.t !== 'get') this.#checkMayWrite(board, key);
    return this.#home.strong(board.name, key, call);
  }

  async set(key: string, value: Json, options?: SetOptions): Promise<BoardEntry> {
    if (this.isStrong) {
      if (options?.ttlMs !== undefined) {
        throw invalid('entries of a strong board do not end by themselves', 'use a lease instead');
      }
      const request = { t: 'set', value } as const;
      const { version, by, at } = await this.strong(key, { request, id: options?.request });
      return { key, value, by: by ?? this.#home.self, at: at ?? 0, clock: {}, version };
    }
    checkNoRequest(options?.request);
    if (this.#home.isOnDemand()) await this.hold();
    return this.#home.write((board) => {
      this.#checkMayWrite(board, key);
      return board.set(key, value, options);
    });
  }

  async delete(key: string, options?: Pick<SetOptions, 'request'>): Promise<boolean> {
    this.#home.checkRunning();
    const board = this.#home.find();
    if (board === undefined) return false;
    if (this.isStrong) {
      const call = { request: { t: 'delete' }, id: options?.request } as const;
      return (await this.strong(key, call)).existed === true;
    }
    checkNoRequest(options?.request);
    this.#checkMayWrite(board, key);
    if (!this.#home.isOnDemand()) return board.delete(key);
    await this.hold();
    return this.#home.write((held) => held.delete(key));
  }

  entries(prefix = ''): readonly BoardEntry[] {
    this.#home.use();
    return this.#home.find()?.document.entries(prefix) ?? [];
  }

  tombstone(key: string): Tombstone | undefined {
    this.#home.use();
    return this.#home.find()?.document.tombstone(key);
  }

  info(): BoardInfo {
    const { name } = this;
    const board = this.#home.find();
    if (board === undefined) {
      const none = { keys: 0, bytes: 0, tombstones: 0, clock: {}, digest: '' };
      return { name, exists: false, isOpen: true, isSigned: false, hold: 'all', ...none };
    }
    const { document, access } = board;
    const creation = creationOf(board);
    const coming = this.#home.coming(board.name);
    const { early } = document;
    const hasMark = document.get(CREATION) !== undefined;
    const held = this.#home.held();
    return {
      name,
      exists: exists(board),
      isOpen: access === undefined,
      isSigned: access?.isSigned === true,
      hold: access === undefined ? 'all' : held === undefined ? 'listed' : 'on-demand',
      ...(held === undefined ? {} : { held }),
      ...(creation === undefined ? {} : { createdBy: creation.by, createdAt: creation.at }),
      ...(access?.replicas === undefined ? {} : { replicas: access.replicas }),
      ...(access === undefined ? {} : { rights: access.rights() }),
      keys: document.size - (hasMark ? 1 : 0),
      bytes: document.sizeBytes,
      tombstones: document.tombstones,
      clock: document.clock(),
      digest: this.digest(),
      ...(coming.length === 0 ? {} : { coming }),
      ...(early === undefined ? {} : { early }),
    };
  }

  async create(options: CreateOptions = {}): Promise<boolean> {
    this.#home.checkRunning();
    checkName(creatorIn(this.name) === this.#home.self ? nameIn(this.name) : this.name);
    const known = this.#home.find();
    if (known !== undefined && exists(known)) return false;
    checkKind(options);
    const id = await this.#home.create(options);
    if (options.lasts === false && creatorIn(id) === undefined) return false;
    return this.#home.writeTo(id, async (board) => {
      if (board.document.size > 0) return false;
      await board.setOwn(CREATION, {});
      return true;
    });
  }

  may(whom: Did, what: 'read' | 'write' | 'admin', key?: string): boolean {
    const access = this.#home.find()?.access;
    if (access === undefined) return true;
    if (what === 'read') return access.mayRead(whom);
    if (what === 'admin') return access.mayAdminister(whom);
    return key === undefined ? access.mayWriteSome(whom) : access.mayWrite(whom, key);
  }

  grant(init: RightInit): Promise<BoardRight> {
    return this.#home.grant(init);
  }

  revoke(whom: Did): Promise<readonly string[]> {
    return this.#home.revoke(whom);
  }

  async drop(): Promise<number> {
    this.#home.checkRunning();
    const known = this.#home.find();
    if (known === undefined) return 0;
    this.#checkMayWrite(known, CREATION);
    // What is deleted must be here.
    if (this.#home.isOnDemand()) await this.hold();
    const board = this.#home.find() ?? known;
    const keys = board.document.entries('').map(({ key }) => key);
    const deleted = await Promise.all(keys.map((key) => this.delete(key)));
    await board.deleteOwn(CREATION);
    return deleted.filter(Boolean).length;
  }

  async history(query: HistoryQuery = {}): Promise<HistoryPage> {
    if (this.#home.isOnDemand()) await this.hold();
    return this.#home.history().read(query);
  }

  async undo(key: string): Promise<BoardEntry | undefined> {
    if (this.isStrong) {
      throw invalid(
        `what was written to the strong board '${this.name}' is not undone`,
        'write what was there, if nobody wrote since: board history, then board cas --version',
      );
    }
    if (this.#home.isOnDemand()) await this.hold();
    const { lines, isCut } = await this.#home.history().lastOf(key);
    const [last, before] = lines;
    const now = this.get(key) ?? this.tombstone(key);
    this.#checkUndo(key, last, now);
    if (before === undefined && isCut) {
      throw conflict(`what '${key}' was before is not kept any more`, 'write it again: board set');
    }
    if (before?.value === undefined) {
      await this.delete(key);
      return undefined;
    }
    const leftMs = before.until === undefined ? undefined : before.until - this.#home.clock.now();
    if (leftMs !== undefined && leftMs <= 0) {
      throw conflict(`what '${key}' was before has ended`, 'write it again: board set');
    }
    return this.set(key, before.value, leftMs === undefined ? {} : { ttlMs: leftMs });
  }

  token(): string {
    return writeToken(this.#home.find()?.document.seen() ?? []);
  }

  async reach(token: string): Promise<void> {
    const wanted = readToken(token);
    if (this.#home.isOnDemand()) await this.hold();
    const { clock } = this.#home;
    const end = clock.now() + BEHIND_MS;
    while (wanted.length > 0 && this.#home.find()?.document.covers(wanted) !== true) {
      this.#home.checkRunning();
      if (clock.now() >= end) {
        throw new StarlingError(
          'STARLING_BOARD_BEHIND',
          `this node has not seen of board '${this.name}' what you have seen elsewhere`,
          { hint: 'try again, ask the node that you used before, or leave the token out' },
        );
      }
      await pause(clock, LOOK_AGAIN_MS);
    }
  }

  replicas(): Promise<readonly Did[]> {
    return this.#home.replicas(this.#strongBoard().name);
  }

  async changeReplicas(change: ReplicaChange): Promise<readonly Did[]> {
    const { name } = this.#strongBoard();
    await this.#home.changeReplicas(name, change);
    return this.#home.replicas(name);
  }

  /** @throws STARLING_BOARD_UNKNOWN, STARLING_BOARD_INVALID of a board that is not strong */
  #strongBoard(): OpenBoard {
    this.#home.checkRunning();
    const board = this.#home.find();
    if (board === undefined) {
      throw new StarlingError('STARLING_BOARD_UNKNOWN', `there is no board '${this.name}'`, {
        hint: 'see which there are: starling board list',
      });
    }
    if (board.access?.replicas !== undefined) return board;
    throw invalid(
      `board '${this.name}' is not strong`,
      'leave the consistency out, or make a board that is: starling board create <board> --strong',
    );
  }

  digest(): string {
    return digestOf(this.#home.find());
  }

  watch(listener: (changes: readonly BoardChange[]) => void): () => void {
    const end = this.#home.watch(listener);
    // Where nobody is reached who holds the board there is nothing to hear of: whoever reads is told so.
    if (this.#home.isOnDemand()) this.#home.hold().catch(() => undefined);
    return end;
  }

  /** @throws STARLING_BOARD_REFUSED */
  #checkMayWrite({ access, name: id }: OpenBoard, key: string): void {
    if (access === undefined || access.mayWrite(this.#home.self, key)) return;
    const creator = creatorIn(id) ?? '';
    const what = key === CREATION ? 'drop it' : `write '${key}' there`;
    throw new StarlingError(
      'STARLING_BOARD_REFUSED',
      `board '${this.name}' is not open, and this node may not ${what}`,
      { hint: `ask its creator, ${creator}, for: starling board grant ${this.name} <peer> write` },
    );
  }

  /** @throws STARLING_BOARD_CONFLICT unless the last change of the key is this node's own */
  #checkUndo(
    key: string,
    last: HistoryLine | undefined,
    now: BoardEntry | Tombstone | undefined,
  ): void {
    if (last === undefined || now === undefined) {
      throw conflict(`no change of '${key}' is known that could be undone`, 'see: board history');
    }
    if (now.by === this.#home.self && last.by === now.by && last.at === now.at) return;
    throw conflict(
      `somebody else wrote '${key}' since`,
      `see who, and write what you want: board history ${this.name} ${key}`,
    );
  }
}

/** @throws STARLING_BOARD_INVALID */
function checkKind({ open, signed, strong, hold }: CreateOptions): void {
  if (strong !== undefined && hold !== undefined) {
    throw invalid(
      `a strong board is held by its replicas, not '${hold}'`,
      'leave the hold out, or the replicas',
    );
  }
  if (strong !== undefined && (open === true || signed === true)) {
    throw invalid(
      'a strong board is neither open nor signed',
      'make it strong, and give those a right who shall read and write it',
    );
  }
  if ((open === true || hold === 'all') && signed === true) {
    throw invalid(
      'a board is open or signed, not both',
      'make it signed, and give those a right who shall write',
    );
  }
  if (hold === undefined || open === undefined || open === (hold === 'all')) return;
  throw invalid(
    open ? `a board that is held '${hold}' is not open` : `a board that is held by all is open`,
    'leave one of both out, and give those a right who shall read and write it',
  );
}

/** @throws STARLING_BOARD_INVALID: only changes of strong boards are remembered by what they are called */
function checkNoRequest(request: string | undefined): void {
  if (request === undefined) return;
  throw invalid('this board is not strong, so that requests have no ids', 'leave `request` out');
}

function conflict(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_BOARD_CONFLICT', what, { hint });
}
