/**
 * What this node makes of checkpoints that it is shown: those of other nodes are verified and kept,
 * its own are compared with its log. A peer is believed only where it speaks against itself.
 */
import type { Audit, Checkpoint, CheckpointStore } from '../../audit/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import type { Membership } from '../types.ts';
import type { RewriteWarnings } from './rewrite-warnings.ts';

/** Comparisons with this node's log that are remembered, so that not each peer costs a look into it. */
const COMPARED_MAX = 4096;
/** Checkpoints that are verified in one turn of the event loop: a signature costs about 0.1 ms or more. */
const PER_TURN = 64;

/** What the review works with. */
export interface CheckpointReviewComponents {
  readonly audit: Pick<Audit, 'compareWith' | 'isOn'>;
  readonly checkpoints: CheckpointStore;
  readonly membership: Pick<Membership, 'peers'>;
  readonly warnings: RewriteWarnings;
  /** This node. */
  readonly self: Did;
  /** The keys that whoever has `did` has and had, newest first. */
  readonly lineage: (did: Did) => readonly Did[];
  readonly logger: Logger;
}

/** Holds what peers say that they saw against this node's own log. */
export interface CheckpointReview {
  /** Keeps a checkpoint that a peer says is its own, or that is this node's. A failure is logged. */
  take(checkpoint: Checkpoint): void;
  /**
   * What the peer `by` has seen of this node: gives those that this node really signed, and which of
   * them are not in its log any more. @throws when they can't be kept, or the log can't be read
   */
  seenOfSelf(
    seen: readonly Checkpoint[],
    by: Did,
  ): Promise<{ readonly own: readonly Checkpoint[]; readonly differ: readonly Checkpoint[] }>;
  /** A peer says that entries `differ` of what it was `shown` are not in its log any more. */
  confessed(differ: readonly number[], shown: readonly Checkpoint[]): Promise<void>;
  /** Keeps what the peer `by` has seen of third nodes, in slices; strangers are left out. */
  takeOfOthers(seen: readonly Checkpoint[], by: Did): Promise<void>;
  /** What a newcomer should know: proofs first, then the first and the last of each node. */
  excerpt(except: Did): readonly Checkpoint[];
  /** Resolves when no comparison with the log is under way. Never rejects. */
  idle(): Promise<void>;
}

/** It has looked at nothing yet: the log is read when a peer shows what it saw. */
export function createCheckpointReview(components: CheckpointReviewComponents): CheckpointReview {
  return new Review(components);
}

class Review implements CheckpointReview {
  readonly #components: CheckpointReviewComponents;
  /** By `<seq> <hash>`: true when the log has it. */
  readonly #compared = new Map<string, boolean>();
  #comparing: Promise<unknown> = Promise.resolve();

  constructor(components: CheckpointReviewComponents) {
    this.#components = components;
  }

  take(checkpoint: Checkpoint): void {
    this.#accept(checkpoint).catch((error: unknown) =>
      this.#components.logger.warn({ error: messageOf(error) }, 'a checkpoint was not kept'),
    );
  }

  async seenOfSelf(
    seen: readonly Checkpoint[],
    by: Did,
  ): Promise<{ readonly own: readonly Checkpoint[]; readonly differ: readonly Checkpoint[] }> {
    const { lineage, self } = this.#components;
    const keys = lineage(self);
    const own: Checkpoint[] = [];
    for (const one of seen) {
      if (keys.includes(one.did) && (await this.#accept(one))) own.push(one);
    }
    const differ = await this.#compare(own);
    if (differ.length > 0) this.#confess(differ, by);
    return { own, differ };
  }

  async confessed(differ: readonly number[], shown: readonly Checkpoint[]): Promise<void> {
    const { checkpoints, warnings } = this.#components;
    const before = shown.findLast(({ seq }) => differ.includes(seq));
    const rewrite = before === undefined ? undefined : await checkpoints.confess(before);
    if (rewrite !== undefined) warnings.found(rewrite);
  }

  async takeOfOthers(seen: readonly Checkpoint[], by: Did): Promise<void> {
    const { membership, self } = this.#components;
    const members = new Set(membership.peers().map((peer) => peer.did));
    for (const [index, one] of seen.entries()) {
      if (one.did !== self && one.did !== by && members.has(one.did)) await this.#accept(one);
      if (index % PER_TURN === PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  excerpt(except: Did): readonly Checkpoint[] {
    const { checkpoints } = this.#components;
    const proofs = checkpoints
      .rewrites()
      .flatMap(({ before, after }) => (after ? [before, after] : []));
    const ends = checkpoints.nodes().flatMap((did) => {
      const seen = checkpoints.of(did);
      const [last] = seen;
      const first = seen.at(-1);
      return last === undefined ? [] : last === first ? [last] : [last, first ?? last];
    });
    return [...proofs, ...ends].filter(({ did }) => did !== except);
  }

  async idle(): Promise<void> {
    await this.#comparing.catch(() => undefined);
  }

  /** False when its node has not signed it. @throws when it can't be kept */
  async #accept(checkpoint: Checkpoint): Promise<boolean> {
    const { checkpoints, logger, warnings } = this.#components;
    try {
      const verdict = await checkpoints.add(checkpoint);
      if (verdict.state === 'conflict') warnings.found(verdict.rewrite);
      return true;
    } catch (error) {
      const isForged =
        error instanceof StarlingError && error.code === 'STARLING_PROTOCOL_VIOLATION';
      if (!isForged) throw error;
      logger.info({ error: error.message }, 'a checkpoint was refused');
      return false;
    }
  }

  /** Which of `seen` are not in the log. One look at a time, and one look for each checkpoint. */
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

  /** Keeps that this node's own log was rewritten, as `witness` has shown. */
  #confess(differ: readonly Checkpoint[], witness: Did): void {
    const before = differ.at(-1);
    if (before === undefined) return;
    const { checkpoints, logger, warnings } = this.#components;
    checkpoints.confess(before).then(
      (rewrite) => {
        if (rewrite !== undefined) warnings.found(rewrite, witness);
      },
      (error: unknown) => logger.error({ error: messageOf(error) }, 'a finding was not kept'),
    );
  }
}

function keyOf({ seq, hash }: Checkpoint): string {
  return `${seq} ${hash}`;
}
