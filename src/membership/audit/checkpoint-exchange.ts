/**
 * Lets no node rewrite its audit log unseen. Heartbeats carry where each log stood when it was last
 * signed; each node keeps what it has seen of the others, and tells them, so that whoever comes back
 * with another log than it had finds out, and so do its peers. A proof that a node has signed two
 * histories goes on to newcomers. A peer can only accuse itself: nothing else is believed unsigned.
 */
import type { Audit, Checkpoint, CheckpointStore, Rewrite } from '../../audit/index.ts';
import { StarlingError, createBuckets, createScope, messageOf } from '../../core/index.ts';
import type {
  Buckets,
  Clock,
  Did,
  Health,
  Logger,
  PeerId,
  Scope,
  Startable,
} from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import {
  CHECKPOINT_MESSAGE_BYTES_MAX,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from './checkpoint-messages.ts';
import type { Word } from './checkpoint-messages.ts';
import type { Membership, PeerView, Presence } from '../types.ts';

const PROTOCOL = '/starling/audit/1';
const TIMEOUT_MS = 20_000;
/** Peers that are asked at the same time, and in all, for one verification. */
const ASKED_AT_ONCE = 16;
const ASKED_MAX = 256;
/** Exchanges that peers may have us take part in at the same time. */
const SERVED_MAX = 16;
/** With one peer again after it, and after a try that failed. */
const AGAIN_MS = 3_600_000;
const RETRY_MS = 15_000;
/** Checkpoints that were compared with our log, kept so that not each peer costs a look into it. */
const COMPARED_MAX = 4096;
const HOUR_MS = 3_600_000;
/** Checkpoints that are verified before others have a turn. */
const AT_ONCE = 64;

/** What the exchange works with. */
export interface CheckpointExchangeComponents {
  readonly network: Pick<Network, 'self' | 'connected' | 'handle' | 'open'>;
  readonly membership: Pick<Membership, 'events' | 'peers'>;
  readonly audit: Pick<Audit, 'checkpoint' | 'compareWith' | 'events' | 'isOn' | 'note'>;
  readonly book: CheckpointStore;
  /** This node. */
  readonly self: Did;
  /** The keys that whoever has `did` has and had, newest first. */
  readonly lineage: (did: Did) => readonly Did[];
  readonly health: Pick<Health, 'clear' | 'raise'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one peer has seen of our log. */
export interface PeerWitness {
  readonly peerId: PeerId;
  readonly alias: string;
  /** Signed by us; latest first. Absent when the peer did not answer. */
  readonly seen?: readonly Checkpoint[];
}

/** Exchanges checkpoints between start and stop. */
export interface CheckpointExchange extends Startable {
  /** Where our log stands, for heartbeats. */
  presence(): Pick<Presence, 'audit'>;
  /** Asks the peers that are here what they have seen of us; at most 256 of them. */
  ask(): Promise<readonly PeerWitness[]>;
  /** What this node has seen of `did`, and of the keys before it: of each the latest first. */
  seenOf(did: Did): readonly Checkpoint[];
}

/** Makes the exchange. */
export function createCheckpointExchange(
  components: CheckpointExchangeComponents,
): CheckpointExchange {
  return new Exchange({ ...components, logger: components.logger.child('audit') });
}

/** How it stands between us and one peer. */
interface CallerRules {
  /** When its process started, as it says. */
  startedAt: number | undefined;
  exchangedAt: number;
  triedAt: number;
  isBusy: boolean;
  /** The last checkpoint that it told: not looked at twice. */
  heard: string;
}

class Exchange implements CheckpointExchange {
  readonly #components: CheckpointExchangeComponents;
  readonly #standings = new Map<PeerId, CallerRules>();
  /** By `<seq> <hash>`: true when our log has it. */
  readonly #compared = new Map<string, boolean>();
  readonly #heardRate: Buckets;
  readonly #servedRate: Buckets;
  readonly #bookRate: Buckets;
  #comparing: Promise<unknown> = Promise.resolve();
  #served = 0;
  #scope: Scope | undefined;

  constructor(components: CheckpointExchangeComponents) {
    this.#components = components;
    const { clock } = components;
    this.#heardRate = createBuckets(clock, { burst: 8, everyMs: 5000 });
    this.#servedRate = createBuckets(clock, { burst: 8, everyMs: 10_000 });
    this.#bookRate = createBuckets(clock, { burst: 3, everyMs: 600_000 });
  }

  presence(): Pick<Presence, 'audit'> {
    const checkpoint = this.#components.audit.checkpoint();
    if (checkpoint === undefined) return {};
    const { seq, hash, at, sig } = checkpoint;
    return { audit: { seq, hash, at, sig } };
  }

  seenOf(did: Did): readonly Checkpoint[] {
    const { book, lineage } = this.#components;
    return lineage(did).flatMap((one) => book.of(one));
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { audit, book, clock, logger, membership, network } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'checkpoints of audit logs were not looked at'),
    );
    this.#scope = scope;
    await book.load();
    for (const rewrite of book.rewrites()) this.#warn(rewrite);
    const own = (checkpoint: Checkpoint): void => this.#take(checkpoint);
    const changed = (peer: PeerView): void => this.#changed(peer);
    const last = audit.checkpoint();
    if (last !== undefined) own(last);
    audit.events.on('checkpoint', own);
    membership.events.on('change', changed);
    scope.add(() => audit.events.off('checkpoint', own));
    scope.add(() => membership.events.off('change', changed));
    scope.add(network.handle(PROTOCOL, (stream) => this.#serve(stream)));
    scope.every(HOUR_MS, () => this.#forgetOld());
    for (const peer of membership.peers()) this.#changed(peer);
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    this.#standings.clear();
    await this.#comparing.catch(() => undefined);
  }

  async ask(): Promise<readonly PeerWitness[]> {
    const { membership, network, logger } = this.#components;
    const here = new Set(network.connected());
    const waiting = membership.peers().filter(({ peerId }) => here.has(peerId));
    const queue = waiting.slice(0, ASKED_MAX);
    const witnesses: PeerWitness[] = [];
    const worker = async (): Promise<void> => {
      for (let peer = queue.shift(); peer !== undefined; peer = queue.shift()) {
        const { peerId, alias } = peer;
        try {
          witnesses.push({ peerId, alias, seen: await this.#exchangeWith(peer) });
        } catch (error) {
          logger.info({ peer: peerId, error: messageOf(error) }, 'peer did not say what it saw');
          witnesses.push({ peerId, alias });
        }
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, worker));
    return witnesses.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  /** Something about a peer changed; each of its heartbeats is told so. */
  #changed(peer: PeerView): void {
    const { peerId, did, state, presence, startedAt } = peer;
    if (state !== 'alive' && state !== 'suspect') {
      this.#standings.delete(peerId);
      return;
    }
    const standing = this.#standingOf(peerId);
    const { audit } = presence ?? {};
    const heard = audit === undefined ? '' : `${audit.seq} ${audit.hash}`;
    if (audit !== undefined && heard !== standing.heard && this.#heardRate.take(did)) {
      standing.heard = heard;
      this.#take({ ...audit, did });
    }
    if (standing.startedAt !== startedAt) {
      standing.startedAt = startedAt;
      standing.exchangedAt = -Infinity;
    }
    if (state === 'alive' && this.#isDue(peerId, standing)) this.#exchange(peer, standing);
  }

  #standingOf(peerId: PeerId): CallerRules {
    let standing = this.#standings.get(peerId);
    if (standing === undefined) {
      const never = { exchangedAt: -Infinity, triedAt: -Infinity };
      standing = { ...never, startedAt: undefined, isBusy: false, heard: '' };
      this.#standings.set(peerId, standing);
    }
    return standing;
  }

  #isDue(peerId: PeerId, { exchangedAt, triedAt, isBusy }: CallerRules): boolean {
    const now = this.#components.clock.now();
    // Whoever sets the clock back need not wait for it.
    if (isBusy || Math.abs(now - exchangedAt) < AGAIN_MS) return false;
    if (Math.abs(now - triedAt) < RETRY_MS) return false;
    return this.#components.network.connected().includes(peerId);
  }

  #exchange(peer: PeerView, standing: CallerRules): void {
    const { clock, logger } = this.#components;
    standing.isBusy = true;
    standing.triedAt = clock.now();
    this.#exchangeWith(peer)
      .catch((error: unknown) =>
        logger.debug({ peer: peer.peerId, error: messageOf(error) }, 'checkpoints not exchanged'),
      )
      .finally(() => {
        standing.isBusy = false;
      });
  }

  async #exchangeWith(peer: PeerView): Promise<readonly Checkpoint[]> {
    const stream = await this.#components.network.open(peer.peerId, PROTOCOL, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return this.#talk(stream, peer.did);
  }

  #serve(stream: PeerStream): void {
    const { logger, membership } = this.#components;
    const peer = membership.peers().find(({ peerId }) => peerId === stream.peer);
    if (peer === undefined || this.#served >= SERVED_MAX || !this.#servedRate.take(stream.peer)) {
      stream.abort(new StarlingError('STARLING_RATE_LIMITED', 'not again so soon'));
      return;
    }
    this.#served += 1;
    this.#talk(stream, peer.did)
      .catch((error: unknown) =>
        logger.debug({ peer: stream.peer, error: messageOf(error) }, 'checkpoints not exchanged'),
      )
      .finally(() => {
        this.#served -= 1;
      });
  }

  /** Both sides do the same. Resolves with what the other has seen of us. */
  #talk(stream: PeerStream, did: Did): Promise<readonly Checkpoint[]> {
    const { clock } = this.#components;
    const told = this.seenOf(did);
    return new Promise((resolve, reject) => {
      const channel = createMessageStream(stream, { maxBytes: CHECKPOINT_MESSAGE_BYTES_MAX });
      const abort = (error: unknown): void =>
        channel.abort(error instanceof Error ? error : new Error(messageOf(error)));
      const cancel = clock.schedule(TIMEOUT_MS, () =>
        abort(new StarlingError('STARLING_TIMEOUT', 'the exchange of checkpoints took too long')),
      );
      let seen: readonly Checkpoint[] | undefined;
      const heard = new Set<Word['t']>();
      let working: Promise<void> = Promise.resolve();
      channel.onEnd((error) => {
        cancel();
        working.then(() => {
          if (seen === undefined || heard.size < 2) reject(error ?? unfinished());
          else resolve(seen);
        }, reject);
      });
      channel.onMessage((bytes) => {
        const word = decodeCheckpointMessage(bytes);
        if (word === undefined || heard.has(word.t)) return abort(unspoken());
        heard.add(word.t);
        const work = async (): Promise<void> => {
          if (word.t === 'seen') seen = await this.#answer(channel, word, did);
          else await this.#judged(word, told, did);
          if (heard.size === 2) await this.#finish(channel, stream.peer);
        };
        working = working.then(work);
        working.catch(abort);
      });
      const wantsBook = this.#bookRate.take('');
      channel.send(encodeCheckpointMessage({ t: 'seen', of: told, book: wantsBook }));
    });
  }

  async #finish(channel: MessageStream, peer: PeerId): Promise<void> {
    const standing = this.#standings.get(peer);
    if (standing !== undefined) standing.exchangedAt = this.#components.clock.now();
    await channel.close();
  }

  /** Says what of ours is not as the peer has seen it. Gives what of it we really signed. */
  async #answer(
    channel: MessageStream,
    word: Extract<Word, { t: 'seen' }>,
    did: Did,
  ): Promise<readonly Checkpoint[]> {
    const { lineage, self } = this.#components;
    const own = lineage(self);
    const ours: Checkpoint[] = [];
    for (const one of word.of) {
      if (own.includes(one.did) && (await this.#accept(one))) ours.push(one);
    }
    const differ = await this.#compare(ours);
    if (differ.length > 0) this.#confessOwn(differ, did);
    const book = word.book ? this.#excerpt(did) : [];
    channel.send(
      encodeCheckpointMessage({ t: 'standing', differ: differ.map(({ seq }) => seq), book }),
    );
    return ours;
  }

  /** The peer has looked into its own log. It is believed where it speaks against itself. */
  async #judged(
    word: Extract<Word, { t: 'standing' }>,
    told: readonly Checkpoint[],
    did: Did,
  ): Promise<void> {
    const { book, membership, self } = this.#components;
    const before = told.findLast(({ seq }) => word.differ.includes(seq));
    const rewrite = before === undefined ? undefined : await book.confess(before);
    if (rewrite !== undefined) this.#found(rewrite);
    const members = new Set(membership.peers().map((peer) => peer.did));
    for (const [index, one] of word.book.entries()) {
      if (one.did !== self && one.did !== did && members.has(one.did)) await this.#accept(one);
      if (index % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** What of our log is not as these say. One look at a time, and one for each checkpoint. */
  #compare(seen: readonly Checkpoint[]): Promise<readonly Checkpoint[]> {
    const { audit } = this.#components;
    const look = async (): Promise<readonly Checkpoint[]> => {
      const fresh = seen.filter((one) => !this.#compared.has(keyOf(one)));
      if (fresh.length > 0 && audit.isOn) {
        const findings = await audit.compareWith(fresh);
        const differ = new Set(findings.map(({ checkpoint }) => checkpoint));
        if (this.#compared.size > COMPARED_MAX) this.#compared.clear();
        for (const one of fresh) this.#compared.set(keyOf(one), !differ.has(one));
      }
      return seen.filter((one) => this.#compared.get(keyOf(one)) === false);
    };
    const looking = this.#comparing.then(look, look);
    this.#comparing = looking;
    return looking;
  }

  /** What a newcomer should know: proofs first, then the first and the last of each node. */
  #excerpt(except: Did): readonly Checkpoint[] {
    const { book } = this.#components;
    const proofs = book.rewrites().flatMap(({ before, after }) => (after ? [before, after] : []));
    const ends = book.nodes().flatMap((did) => {
      const seen = book.of(did);
      const [last] = seen;
      const first = seen.at(-1);
      return last === undefined ? [] : last === first ? [last] : [last, first ?? last];
    });
    return [...proofs, ...ends].filter(({ did }) => did !== except);
  }

  #take(checkpoint: Checkpoint): void {
    this.#accept(checkpoint).catch((error: unknown) =>
      this.#components.logger.warn({ error: messageOf(error) }, 'a checkpoint was not kept'),
    );
  }

  /** True when its node has signed it. @throws when it can't be kept */
  async #accept(checkpoint: Checkpoint): Promise<boolean> {
    try {
      const verdict = await this.#components.book.add(checkpoint);
      if (verdict.state === 'conflict') this.#found(verdict.rewrite);
      return true;
    } catch (error) {
      const isForged =
        error instanceof StarlingError && error.code === 'STARLING_PROTOCOL_VIOLATION';
      if (!isForged) throw error;
      this.#components.logger.info({ error: error.message }, 'a checkpoint was refused');
      return false;
    }
  }

  #confessOwn(differ: readonly Checkpoint[], witness: Did): void {
    const before = differ.at(-1);
    if (before === undefined) return;
    const { book } = this.#components;
    book.confess(before).then(
      (rewrite) => {
        if (rewrite !== undefined) this.#found(rewrite, witness);
      },
      (error: unknown) =>
        this.#components.logger.error({ error: messageOf(error) }, 'a finding was not kept'),
    );
  }

  #found(rewrite: Rewrite, witness?: Did): void {
    const { audit, logger } = this.#components;
    const text = this.#warn(rewrite);
    logger.warn({ did: rewrite.did, seq: rewrite.before.seq }, 'an audit log was rewritten');
    audit.note({
      kind: 'mesh',
      who: rewrite.did,
      what: { ability: 'audit/rewrite', resource: `agent:${rewrite.did}` },
      outcome: 'failed',
      reason: witness === undefined ? text : `${text}; seen by ${witness}`,
    });
  }

  #warn({ did, before, after }: Rewrite): string {
    const { membership, self, health } = this.#components;
    const at = new Date(before.at).toISOString();
    const proof =
      after === undefined
        ? `it no longer has the entry ${before.seq} that it signed at ${at}`
        : `it signed two different entries ${before.seq}, at ${at} and ${new Date(after.at).toISOString()}`;
    const isSelf = did === self;
    const alias = membership.peers().find((peer) => peer.did === did)?.alias;
    const who = isSelf ? 'this node' : (alias ?? did);
    const text = `${who} has rewritten its audit log, at or before entry ${before.seq}: ${proof}`;
    const hint = isSelf
      ? 'see where, and who saw what: starling audit verify'
      : 'its record proves nothing from before; ask its operator (starling audit verify there)';
    health.raise({ code: `audit-rewritten:${did}`, text, hint });
    return text;
  }

  #forgetOld(): void {
    const { book, health } = this.#components;
    const standing = new Set(book.rewrites().map(({ did }) => did));
    for (const did of book.nodes()) {
      if (!standing.has(did)) health.clear(`audit-rewritten:${did}`);
    }
  }
}

function keyOf({ seq, hash }: Checkpoint): string {
  return `${seq} ${hash}`;
}

function unspoken(): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', 'not a message about audit logs');
}

function unfinished(): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', 'the peer did not say all');
}
