/**
 * What a peer gives in a session that this node has opened at it: grants to this node, and the ends of such. A peer
 * whose operator issues thousands is taken at the pace of its allowance, and is told of, and never kept out for that:
 * the newest wait, as many as this node keeps of one peer, and the session is read more slowly meanwhile. One of what
 * waits is looked at at once: of who gives what nobody has signed nothing waits, and that counts.
 */
import { randomInt } from 'node:crypto';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Json, Logger, PeerId } from '../../core/index.ts';
import { REVOCATION_TYPE, parseGrant, parseRevocation } from '../../grants/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { decodeJws } from '../../identity/index.ts';
import type { PeerStream } from '../../network/index.ts';
import type { PeerAllowances } from '../wire/peers/peer-allowances.ts';
import { GRANTS_MAX, stringsOf } from '../wire/peers/peer-protocol.ts';

/** What is read of a session beyond its allowance: texts in each millisecond. */
const TEXTS_PER_MS = 5;

/** What taking works with. */
export interface GivenGrantsComponents {
  readonly allowances: PeerAllowances;
  readonly grants: GrantBook;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The session, and what leaves it unread for so many milliseconds. */
export interface GivenGrantsInit {
  readonly stream: Pick<PeerStream, 'peer' | 'onEnd'>;
  readonly hold: (forMs: number) => void;
}

/** Takes what one session brings. */
export interface GivenGrants {
  /** Takes the lists of one message, now or later. */
  take(grants: Json | undefined, revocations: Json | undefined): void;
}

/** Texts of one message, or of several. */
interface Given {
  readonly grants: readonly string[];
  readonly revocations: readonly string[];
}

/** Makes the taking of one session. */
export function createGivenGrants(
  components: GivenGrantsComponents,
  init: GivenGrantsInit,
): GivenGrants {
  return new OfSession(components, init);
}

class OfSession implements GivenGrants {
  readonly #components: GivenGrantsComponents;
  readonly #peer: PeerId;
  readonly #hold: GivenGrantsInit['hold'];
  #waiting: Given | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(components: GivenGrantsComponents, { stream, hold }: GivenGrantsInit) {
    this.#components = components;
    this.#peer = stream.peer;
    this.#hold = hold;
    stream.onEnd(() => {
      this.#cancelTimer?.();
      this.#waiting = undefined;
    });
  }

  take(grants: Json | undefined, revocations: Json | undefined): void {
    const { allowances } = this.#components;
    const given = { grants: stringsOf(grants), revocations: stringsOf(revocations) };
    const count = given.grants.length + given.revocations.length;
    if (count === 0) return;
    if (this.#waiting === undefined && allowances.showWaitMs(this.#peer) === 0) {
      this.#look(given);
      return;
    }
    const isSigned = isSample(given);
    allowances.showsOn(this.#peer, count, isSigned);
    this.#hold(Math.ceil(count / TEXTS_PER_MS));
    if (!isSigned) return;
    this.#waiting = joined(this.#waiting, given);
    this.#lookLater();
  }

  #lookLater(): void {
    const { allowances, clock } = this.#components;
    const waitMs = Math.max(1, allowances.showWaitMs(this.#peer));
    this.#cancelTimer ??= clock.schedule(waitMs, () => {
      this.#cancelTimer = undefined;
      const waiting = this.#waiting;
      if (waiting === undefined) return;
      if (allowances.showWaitMs(this.#peer) > 0) {
        this.#lookLater();
        return;
      }
      this.#waiting = undefined;
      this.#look(waiting);
    });
  }

  #look(given: Given): void {
    this.#takeNow(given).catch((error: unknown) =>
      this.#components.logger.info(
        { peer: this.#peer, error: messageOf(error) },
        'grants from a peer not taken',
      ),
    );
  }

  async #takeNow({ grants, revocations }: Given): Promise<void> {
    const { allowances, grants: book, logger } = this.#components;
    const peer = this.#peer;
    const before = book.verified;
    const receiving = book.receive(grants);
    // Of a revocation nobody knows before whether its signature is looked at.
    const verified = book.verified - before + revocations.length;
    allowances.shown(peer, { verified, refused: 0 });
    const refusals = await receiving;
    allowances.shown(peer, { verified: 0, refused: refusals.length });
    for (const { rule } of refusals.slice(0, 1)) {
      logger.debug({ peer, rule, count: refusals.length }, 'received grants refused');
    }
    if (revocations.length === 0) return;
    // Of others' the mesh's records tell us, which take them from members only.
    const ids = new Set(
      book
        .received()
        .flatMap((grant) => book.chainOf(grant))
        .map(({ claims }) => claims.jti),
    );
    for (const jws of revocations) if (ids.has(idIn(jws))) await book.addRevocation(jws);
  }
}

/** The newest of both, as many as one message holds. */
function joined(before: Given | undefined, now: Given): Given {
  if (before === undefined) return now;
  const newest = (a: readonly string[], b: readonly string[]): readonly string[] =>
    [...new Set([...a, ...b])].slice(-GRANTS_MAX);
  return {
    grants: newest(before.grants, now.grants),
    revocations: newest(before.revocations, now.revocations),
  };
}

/** Whether one of the texts, any one, is signed by whom it names. */
function isSample({ grants, revocations }: Given): boolean {
  const at = randomInt(grants.length + revocations.length);
  const grant = grants[at];
  const revocation = revocations[at - grants.length];
  try {
    if (grant !== undefined) parseGrant(grant);
    else if (revocation !== undefined) parseRevocation(revocation);
    return true;
  } catch (error) {
    if (error instanceof StarlingError) return false;
    throw error;
  }
}

/** Which grant it says to revoke; the grant book looks at the signature. @throws STARLING_GRANT_MALFORMED */
function idIn(jws: string): string {
  const { payload } = decodeJws(jws, REVOCATION_TYPE);
  return typeof payload === 'object' && payload !== null && 'jti' in payload
    ? String(payload.jti)
    : '';
}
