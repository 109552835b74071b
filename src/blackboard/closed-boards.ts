/**
 * The boards that are not open to all members: by which records each is judged, who may have what of them, and how
 * rights are given and taken back. Records are on disk before they count, and before what they permit is taken.
 */
import { StarlingError, createBuckets, messageOf } from '../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId, Random } from '../core/index.ts';
import { issueGrant } from '../grants/index.ts';
import type { Grant, SuccessionView } from '../grants/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Network } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { capabilitiesFor, signCreation, signCut, signReplicas } from './access/access-records.ts';
import type { BoardReplicas, CreationInit, Cuts } from './access/access-records.ts';
import { AccessWriter, readAccess } from './access/access-store.ts';
import { BoardAccess } from './access/board-access.ts';
import { boardIdOf, creatorIn, isBoardId, nameIn } from './board-id.ts';
import type { OpenBoard } from './board/board.ts';
import type { BoardRight, RightInit } from './types.ts';

/** What the boards that are not open work with. */
export interface ClosedBoardsComponents {
  readonly table: Table;
  readonly self: Did;
  /** Without it this node makes no such board, and gives no rights. */
  readonly signer?: Signer | undefined;
  readonly successions?: SuccessionView | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: Pick<Network, 'report'>;
  didOf(peer: PeerId): Did;
  find(id: string): OpenBoard | undefined;
  /** Opens a board that is new here. */
  open(id: string): void;
  /** Whether one more board of this creator may be here. */
  hasRoomFor(id: string): boolean;
  /** What is permitted has changed by `records`. */
  rightsChanged(id: string, records: readonly string[]): void;
}

/**
 * Records of one peer whose signatures are checked at once, and fifty a second then. Higher: whoever comes to many boards has them
 * sooner; lower: whoever says what counts for nothing costs less.
 */
const RECORDS_READ_MAX = 8192;
const READ = { burst: RECORDS_READ_MAX, everyMs: 20 } as const;
/**
 * Of these, records of one board, and half as many a second then. Higher: a board with many records is whole sooner; lower: one on which
 * somebody signs more than there is room for hinders the others of the same peer less.
 */
const READ_OF_ONE_BOARD = { burst: 1024, everyMs: 40 } as const;

/** The boards that are not open, and rights on them. */
export class ClosedBoards {
  readonly #components: ClosedBoardsComponents;
  readonly #access = new Map<string, BoardAccess>();
  readonly #writer: AccessWriter;
  readonly #read: Buckets;
  readonly #readOfOneBoard: Buckets;

  constructor(components: ClosedBoardsComponents) {
    this.#components = components;
    this.#writer = new AccessWriter(components);
    this.#read = createBuckets(components.clock, READ);
    this.#readOfOneBoard = createBuckets(components.clock, READ_OF_ONE_BOARD);
  }

  /** Reads the records that are on disk. */
  async load(): Promise<void> {
    for (const [id, texts] of await readAccess(this.#components.table)) {
      if (!isBoardId(id) || creatorIn(id) === undefined) continue;
      const access = new BoardAccess(id, this.#components.successions);
      // What was kept once counts, whoever has signed it: a revocation, too.
      access.keep(access.fit(texts, 0).records);
      this.#access.set(id, access);
    }
  }

  get ids(): readonly string[] {
    return [...this.#access.keys()];
  }

  /** Resolves once what the disk refused is off the disk, if it can be. */
  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  clear(): void {
    this.#writer.stop();
    this.#access.clear();
  }

  /** By what a board is judged; undefined of an open one, and of one that nothing is known of. */
  accessOf(id: string): BoardAccess | undefined {
    return this.#access.get(id);
  }

  /** As {@link ClosedBoards.accessOf}, of a board that is opened: without records its creator alone may write. */
  accessFor(id: string): BoardAccess | undefined {
    if (creatorIn(id) === undefined) return undefined;
    const access = this.#access.get(id) ?? new BoardAccess(id, this.#components.successions);
    this.#access.set(id, access);
    return access;
  }

  mayHave(id: string, peer: PeerId): boolean {
    if (creatorIn(id) === undefined) return true;
    return this.#access.get(id)?.mayRead(this.#components.didOf(peer)) ?? false;
  }

  /** Whether a peer may be asked for a board: to ask says by what this node judges, if it knows that. */
  mayAsk(id: string, peer: PeerId): boolean {
    return !this.#access.has(id) || this.mayHave(id, peer);
  }

  answersForOthers(id: string): boolean {
    if (creatorIn(id) === undefined) return true;
    const access = this.#access.get(id);
    // Signed entries prove themselves, whoever passes them on.
    return access?.isSigned === true || (access?.mayWriteSome(this.#components.self) ?? false);
  }

  /** The revocations of rights that `peer` had. */
  goodbye(id: string, peer: PeerId): readonly string[] {
    return this.#access.get(id)?.revocationsOf(this.#components.didOf(peer)) ?? [];
  }

  /**
   * The grants by which this node may have a board, which others may not know yet; and of a board that is held on demand the record
   * that says so, without which others would take it for one that all hold who may.
   */
  proof(id: string): readonly string[] {
    const access = this.#access.get(id);
    if (access === undefined) return [];
    const grants = access.grantsOf(this.#components.self);
    const { creationText, isOnDemand } = access;
    return isOnDemand && creationText !== undefined ? [creationText, ...grants] : grants;
  }

  /** Keeps what of `texts` counts. @throws what the disk says, STARLING_LIMIT_EXCEEDED where the peer says too many */
  async learn(id: string, texts: readonly string[], peer?: PeerId): Promise<void> {
    const { self, network } = this.#components;
    const known = this.#access.get(id);
    const access = known ?? new BoardAccess(id, this.#components.successions);
    if (peer !== undefined) this.#checkAllowance(peer, access, texts);
    const { records, forged } = access.fit(texts);
    if (forged > 0 && peer !== undefined) network.report(peer, 'records');
    if (records.length === 0) return;
    if (known === undefined) {
      access.keep(records);
      if (!access.mayRead(self) || !this.#components.hasRoomFor(id)) return;
    }
    await this.#writer.write(
      id,
      records.map(({ jws }) => jws),
    );
    const now = this.#access.get(id);
    if (now !== known) {
      // Others have told the same meanwhile.
      await this.learn(id, texts, peer);
      return;
    }
    if (known === undefined) {
      this.#access.set(id, access);
      this.#components.open(id);
    } else {
      known.keep(known.fit(records.map(({ jws }) => jws)).records);
    }
    const written = records.map(({ jws }) => jws);
    // Others have filled the room meanwhile: what does not count now must not after a start.
    const left = written.filter((jws) => !access.knows(jws));
    if (left.length > 0) await this.#writer.takeBack(id, left);
    const kept = written.filter((jws) => access.knows(jws));
    if (kept.length > 0) this.#components.rightsChanged(id, kept);
  }

  /** What a peer says that is known already costs nothing. @throws STARLING_LIMIT_EXCEEDED */
  #checkAllowance(peer: PeerId, access: BoardAccess, texts: readonly string[]): void {
    const unknown = texts.filter((jws) => !access.knows(jws)).length;
    if (unknown === 0) return;
    const ofBoard = `${peer} ${access.id}`;
    if (this.#readOfOneBoard.waitMs(ofBoard) > 0 || this.#read.waitMs(peer) > 0) {
      this.#components.network.report(peer, 'records');
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${peer} says more records of boards than can be checked`,
      );
    }
    this.#readOfOneBoard.charge(ofBoard, unknown);
    this.#read.charge(peer, unknown);
  }

  /** Makes the record of a new board of this node. @throws STARLING_BOARD_INVALID, what the disk says */
  async create(name: string, init: CreationInit): Promise<string> {
    const signer = this.#signer();
    const id = boardIdOf(name, signer.did);
    if (this.#access.get(id)?.creation === undefined) {
      await this.learn(id, [signCreation(signer, name, this.#components.clock.now(), init)]);
    }
    return id;
  }

  /**
   * Gives a right. @throws STARLING_BOARD_REFUSED when this node has no right to, STARLING_GRANT_MALFORMED
   * when no grant can name the prefix
   */
  async grant(id: string, { to, ability, prefix = '' }: RightInit): Promise<BoardRight> {
    const signer = this.#signer();
    const access = this.#accessToGive(id);
    const parent = access.adminGrantOf(this.#components.self);
    const { cap, expiresAt, maxDepth } = capabilitiesFor(nameIn(id), ability, prefix);
    const hands = parent === undefined ? maxDepth : Math.min(maxDepth, parent.claims.max_depth - 1);
    const grant = issueGrant(
      signer,
      {
        aud: to,
        sub: parent?.claims.sub ?? signer.did,
        cap,
        expiresAt,
        maxDepth: Math.max(0, hands),
        ...(parent === undefined ? {} : { parents: [parent] }),
      },
      this.#components.clock.now(),
    );
    await this.learn(id, [grant.jws]);
    const right = access.rights().find((one) => one.id === grant.claims.jti);
    if (right !== undefined) return right;
    if (access.fit([grant.jws]).left > 0) throw noRoom(nameIn(id));
    throw new StarlingError('STARLING_BOARD_REFUSED', 'this right may not be given', {
      hint: 'whoever made the board can: starling board info <board>',
    });
  }

  /**
   * Takes back all rights of `whom` that this node, or whoever has them from this node, gave: what of `whom` is here
   * now counts, and nothing after it. Gives the ids of the grants.
   * @throws STARLING_BOARD_REFUSED, STARLING_GRANT_UNKNOWN when there are none
   */
  async revoke(id: string, whom: Did): Promise<readonly string[]> {
    const signer = this.#signer();
    const access = this.#accessToGive(id);
    const board = this.#components.find(id);
    const grants = access.revocable(signer.did).filter(({ claims }) => claims.aud === whom);
    if (grants.length === 0 || board === undefined) {
      throw new StarlingError('STARLING_GRANT_UNKNOWN', 'this node gave no such right', {
        hint: `see who has which: starling board info ${nameIn(id)}`,
      });
    }
    // A cut is only as good as this replica's memory of what is before it.
    await board.flushed();
    const affected = [...new Set(grants.flatMap((grant) => access.affectedBy(grant)))];
    const cuts: Cuts = new Map(affected.map((did) => [did, board.document.seenOf(did)]));
    const changes = access.changesBy(affected);
    const texts = this.#sign(signer, grants, { cuts, changes });
    // What there is no room for would count nowhere.
    const isKept = new Set([...access.records, ...access.fit(texts).records.map(({ jws }) => jws)]);
    if (!texts.every((text) => isKept.has(text))) throw noRoom(nameIn(id));
    access.hold(cuts);
    try {
      await this.#writer.write(id, texts);
      access.keep(access.fit(texts).records);
    } finally {
      access.release(cuts);
    }
    this.#components.rightsChanged(id, texts);
    return grants.map(({ claims }) => claims.jti);
  }

  /** Signs that the replicas of a board change. @throws STARLING_BOARD_REFUSED when this node has no right to */
  signReplicas(id: string, change: Pick<BoardReplicas, 'before' | 'number' | 'voters'>): string {
    this.#accessToGive(id);
    return signReplicas(this.#signer(), { board: id, at: this.#components.clock.now(), ...change });
  }

  #sign(
    signer: Signer,
    grants: readonly Grant[],
    counting: { readonly cuts: Cuts; readonly changes: readonly string[] },
  ): readonly string[] {
    try {
      const now = this.#components.clock.now();
      return grants.map((grant) => signCut(signer, grant, counting, now));
    } catch (error) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `the lanes of whoever loses the right are too many to be named: ${messageOf(error)}`,
        { hint: 'revoke those first who had the right from that one' },
      );
    }
  }

  #signer(): Signer {
    const { signer } = this.#components;
    if (signer !== undefined) return signer;
    throw new StarlingError('STARLING_BOARD_REFUSED', 'this node has no key to sign with');
  }

  #accessToGive(id: string): BoardAccess {
    const access = this.#access.get(id);
    if (access === undefined) {
      throw new StarlingError('STARLING_BOARD_INVALID', `board '${nameIn(id)}' is open to all`, {
        hint: 'rights are for boards that are not: starling board create <board>, in a private mesh',
      });
    }
    if (access.mayAdminister(this.#components.self)) return access;
    throw new StarlingError(
      'STARLING_BOARD_REFUSED',
      `this node may not give rights on board '${nameIn(id)}'`,
      { hint: `ask whoever made it: starling board info ${nameIn(id)}` },
    );
  }
}

function noRoom(name: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `board '${name}' has as many records of rights as there may be`,
    { hint: 'whoever made the board can still take rights back' },
  );
}
