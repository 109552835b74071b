/**
 * Lets no node rewrite its audit log unseen. Heartbeats carry where each log stood when it was last
 * signed; each node keeps what it has seen of the others, and tells them, so that whoever comes back
 * with another log than it had finds out, and so do its peers. A proof that a node has signed two
 * histories goes on to newcomers. A peer can only accuse itself: nothing else is believed unsigned.
 */
import type { Audit, Checkpoint, CheckpointStore } from '../../audit/index.ts';
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
import type { Network } from '../../network/index.ts';
import type { Membership, PeerView, Presence } from '../types.ts';
import { createCheckpointFrames } from './checkpoint-frames.ts';
import type { CheckpointFrames } from './checkpoint-frames.ts';
import { createCheckpointReview } from './checkpoint-review.ts';
import type { CheckpointReview } from './checkpoint-review.ts';
import { createRewriteWarnings } from './rewrite-warnings.ts';
import type { RewriteWarnings } from './rewrite-warnings.ts';

/** Peers that are asked at the same time, and in all, for one verification. */
const ASKED_AT_ONCE = 16;
const ASKED_MAX = 256;
/** An exchange with one peer is due again after it, ms. */
const AGAIN_MS = 3_600_000;
/** The next try after one that failed, ms, and how often it is looked at what is due. */
const RETRY_MS = 15_000;
const HOUR_MS = 3_600_000;

/** What the exchange works with. */
export interface CheckpointExchangeComponents {
  readonly network: Pick<
    Network,
    'self' | 'connected' | 'isConnected' | 'onFrame' | 'report' | 'sendFrame'
  >;
  readonly membership: Pick<Membership, 'events' | 'find' | 'peer' | 'peers'>;
  readonly audit: Pick<Audit, 'checkpoint' | 'compareWith' | 'events' | 'isOn' | 'note'>;
  /** Keeps what was seen of others and of this node. */
  readonly checkpoints: CheckpointStore;
  /** This node. */
  readonly self: Did;
  /** The keys that whoever has `did` has and had, newest first. */
  readonly lineage: (did: Did) => readonly Did[];
  readonly health: Pick<Health, 'clear' | 'raise'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one peer has seen of this node's log. */
export interface PeerWitness {
  readonly peerId: PeerId;
  readonly alias: string;
  /** Signed by this node; latest first. Absent when the peer did not answer. */
  readonly seen?: readonly Checkpoint[];
}

/** Exchanges checkpoints between start and stop. */
export interface CheckpointExchange extends Startable {
  /** Where this node's log stands, for heartbeats. */
  presence(): Pick<Presence, 'audit'>;
  /** Asks the peers that are here what they have seen of this node; at most 256 of them. */
  ask(): Promise<readonly PeerWitness[]>;
  /** What this node has seen of `did`, and of the keys before it: of each the latest first. */
  seenOf(did: Did): readonly Checkpoint[];
}

/** Nothing is sent before `start`. */
export function createCheckpointExchange(
  components: CheckpointExchangeComponents,
): CheckpointExchange {
  return new Exchange({ ...components, logger: components.logger.child('audit') });
}

/** What has passed between this node and one peer. */
interface Dealings {
  /** When its process started, as it says. */
  startedAt: number | undefined;
  exchangedAt: number;
  triedAt: number;
  isBusy: boolean;
  /** The last checkpoint that it told in a heartbeat: not looked at twice. */
  heard: string;
}

class Exchange implements CheckpointExchange {
  readonly #components: CheckpointExchangeComponents;
  readonly #review: CheckpointReview;
  readonly #warnings: RewriteWarnings;
  readonly #frames: CheckpointFrames;
  readonly #dealings = new Map<PeerId, Dealings>();
  readonly #heardRate: Buckets;
  readonly #othersRate: Buckets;
  #scope: Scope | undefined;

  constructor(components: CheckpointExchangeComponents) {
    this.#components = components;
    this.#warnings = createRewriteWarnings(components);
    this.#review = createCheckpointReview({ ...components, warnings: this.#warnings });
    const { clock } = components;
    this.#heardRate = createBuckets(clock, { burst: 8, everyMs: 5000 });
    this.#othersRate = createBuckets(clock, { burst: 3, everyMs: 600_000 });
    this.#frames = createCheckpointFrames({
      ...components,
      review: this.#review,
      didOf: (peer) => components.membership.peer(peer)?.did,
      seenOf: (did) => this.seenOf(did),
      wantsOthers: () => this.#othersRate.take(''),
      finished: (peer) => this.#finished(peer),
    });
  }

  presence(): Pick<Presence, 'audit'> {
    const checkpoint = this.#components.audit.checkpoint();
    if (checkpoint === undefined) return {};
    const { seq, hash, at, sig } = checkpoint;
    return { audit: { seq, hash, at, sig } };
  }

  seenOf(did: Did): readonly Checkpoint[] {
    const { checkpoints, lineage } = this.#components;
    return lineage(did).flatMap((one) => checkpoints.of(one));
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { audit, checkpoints, clock, logger, membership } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'checkpoints of audit logs were not looked at'),
    );
    this.#scope = scope;
    await checkpoints.load();
    if (scope.closed) return;
    for (const rewrite of checkpoints.rewrites()) this.#warnings.warn(rewrite);
    const own = (checkpoint: Checkpoint): void => this.#review.take(checkpoint);
    const changed = (peer: PeerView): void => this.#look(peer);
    const last = audit.checkpoint();
    if (last !== undefined) own(last);
    audit.events.on('checkpoint', own);
    membership.events.on('change', changed);
    scope.add(() => audit.events.off('checkpoint', own));
    scope.add(() => membership.events.off('change', changed));
    scope.add(this.#frames.listen());
    scope.every(HOUR_MS, () => this.#warnings.clearForgotten());
    scope.every(RETRY_MS, () => this.#lookAtAll());
    this.#lookAtAll();
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    this.#dealings.clear();
    await this.#review.idle();
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

  #lookAtAll(): void {
    for (const peer of this.#components.membership.peers()) this.#look(peer);
  }

  /** Takes the checkpoint that a peer names in its heartbeats, and exchanges with it when that is due. */
  #look(peer: PeerView): void {
    const { peerId, did, state, presence, startedAt } = peer;
    if (state !== 'alive' && state !== 'suspect') {
      this.#dealings.delete(peerId);
      return;
    }
    const dealings = this.#dealingsWith(peerId);
    const { audit } = presence ?? {};
    const heard = audit === undefined ? '' : `${audit.seq} ${audit.hash}`;
    if (audit !== undefined && heard !== dealings.heard && this.#heardRate.take(did)) {
      dealings.heard = heard;
      this.#review.take({ ...audit, did });
    }
    if (dealings.startedAt !== startedAt) {
      dealings.startedAt = startedAt;
      dealings.exchangedAt = -Infinity;
      // Of two that meet one asks, and both have said all then; the other asks when that does not come.
      const { clock, network } = this.#components;
      if (network.self > peerId) dealings.triedAt = clock.now();
    }
    if (state === 'alive' && this.#isDue(peerId, dealings)) this.#exchange(peer, dealings);
  }

  #dealingsWith(peerId: PeerId): Dealings {
    let dealings = this.#dealings.get(peerId);
    if (dealings === undefined) {
      const never = { exchangedAt: -Infinity, triedAt: -Infinity };
      dealings = { ...never, startedAt: undefined, isBusy: false, heard: '' };
      this.#dealings.set(peerId, dealings);
    }
    return dealings;
  }

  #isDue(peerId: PeerId, { exchangedAt, triedAt, isBusy }: Dealings): boolean {
    const now = this.#components.clock.now();
    // When the clock was set back, nobody waits until it is where it was.
    if (isBusy || Math.abs(now - exchangedAt) < AGAIN_MS) return false;
    if (Math.abs(now - triedAt) < RETRY_MS) return false;
    return this.#components.network.isConnected(peerId);
  }

  #exchange(peer: PeerView, dealings: Dealings): void {
    const { clock, logger } = this.#components;
    dealings.isBusy = true;
    dealings.triedAt = clock.now();
    this.#exchangeWith(peer)
      .catch((error: unknown) =>
        logger.debug({ peer: peer.peerId, error: messageOf(error) }, 'checkpoints not exchanged'),
      )
      .finally(() => {
        dealings.isBusy = false;
      });
  }

  async #exchangeWith({ peerId, did }: PeerView): Promise<readonly Checkpoint[]> {
    const seen = await this.#frames.exchange(peerId, did);
    if (seen !== undefined) return seen;
    throw new StarlingError('STARLING_TIMEOUT', 'what the peer has seen has not come in time');
  }

  #finished(peer: PeerId): void {
    const dealings = this.#dealings.get(peer);
    if (dealings !== undefined) dealings.exchangedAt = this.#components.clock.now();
  }
}
