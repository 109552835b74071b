/**
 * Peers as callers: each `/starling/mcp/1` stream is a session whose principal is the key of its
 * connection. Grants ride in the first message and in `notifications/starling/grants`; what we have
 * issued to the caller rides back the same way.
 */
import type { Audit } from '../../audit/index.ts';
import { StarlingError, createBuckets, messageOf, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Did, Json, JsonObject, Logger } from '../../core/index.ts';
import type { Grant, GrantBook, Revocation } from '../../grants/index.ts';
import type { OnBehalfOf, Principal } from '../../guard/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { ON_BEHALF_OF_META, readOnBehalfOf } from '../clearance/on-behalf-of.ts';
import type { CertifiedOnBehalfOf } from '../clearance/on-behalf-of.ts';
import { metaOf } from '../wire/era.ts';
import { errorBytes, errorOf, notificationBytes } from '../wire/frame.ts';
import {
  GRANTS_MAX,
  ASKS_ALL_META,
  GRANTS_META,
  GRANTS_NOTIFICATION,
  MCP_PROTOCOL,
  SERVER_META,
  stringsOf,
} from '../wire/peers/peer-protocol.ts';
import type { PeerAllowances } from '../wire/peers/peer-allowances.ts';
import { createPeerWriter } from '../wire/peers/peer-writer.ts';
import type { PeerWriter } from '../wire/peers/peer-writer.ts';
import type { Receiver, Reply } from '../wire/reply.ts';
import type { Frame } from '../frame-types.ts';
import type { Initializing, Session, SessionComponents } from '../session/types.ts';
import { createSessionDecoder } from './message-session.ts';
import { createSessionTurns } from './session-turns.ts';
import type { SessionTurns, Turn } from './session-turns.ts';

const SESSIONS_PER_PEER = 512;
/** How long a caller that can't be served has to ask, so that it can be told why. */
const REFUSAL_TIMEOUT_MS = 5000;
/** What such a caller may say in one message; grants ride in the first. */
const REFUSED_BYTES_MAX = 1024 * 1024;
/**
 * Messages that a peer may send, requests and all others. Requests have a limit of their own; over this one
 * the peer's streams are not read for a while.
 */
const MESSAGES = { burst: 20_000, everyMs: 0.1 } as const;
/** The longest that a stream is not read because of lists that were refused. */
const REFUSED_WAIT_MAX_MS = 5000;
/** What the log says of a session that there is not to be. */
const REFUSED = 'session of a peer refused';
/** How long a stream may be open before its session begins. */
const INITIALIZE_TIMEOUT_MS = 30_000;

/** What the transport works with. */
export interface PeerTransportComponents {
  /** This node. */
  readonly self: Did;
  readonly network: Pick<Network, 'handle' | 'report'>;
  readonly membership: Pick<Membership, 'peer' | 'inStep' | 'events'>;
  readonly grants: GrantBook;
  readonly allowances: PeerAllowances;
  readonly audit: Pick<Audit, 'note'>;
  /** Who is meant by a link of a chain; undefined for the operator of this node. Default: nobody with any right. */
  readonly callerOf?: (this: void, link: string) => Principal | undefined;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(
    own: Pick<SessionComponents, 'principal' | 'push' | 'initializing' | 'notification' | 'lists'>,
  ): Session;
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The transport: started, it serves peers. */
export interface PeerTransport {
  start(): void;
  stop(): void;
}

/** No stream is taken before `start`. */
export function createPeerTransport(
  components: PeerTransportComponents,
  init: { readonly messageBytes: number },
): PeerTransport {
  return new StreamTransport(components, init.messageBytes);
}

class StreamTransport implements PeerTransport {
  readonly #components: PeerTransportComponents;
  readonly #messageBytes: number;
  readonly #messages: Buckets;
  readonly #turns: SessionTurns;
  readonly #byHolder = new Map<Did, Set<PeerCaller>>();
  #stopHandling: (() => void) | undefined;
  readonly #grantsChanged = (holder: Did): void => {
    for (const caller of this.#byHolder.get(holder) ?? []) caller.grantsChanged();
  };
  readonly #peerChanged = (peer: PeerView, before: PeerView | undefined): void => {
    if (peer.alias === before?.alias && peer.newName === before.newName) return;
    for (const caller of this.#byHolder.get(peer.did) ?? []) caller.rename(peer);
  };

  constructor(components: PeerTransportComponents, messageBytes: number) {
    this.#components = components;
    this.#messageBytes = messageBytes;
    this.#messages = createBuckets(components.clock, MESSAGES);
    this.#turns = createSessionTurns(components.clock, components.network);
  }

  start(): void {
    if (this.#stopHandling !== undefined) return;
    const { network, grants, membership } = this.#components;
    this.#stopHandling = network.handle(MCP_PROTOCOL, (stream) => this.#accept(stream));
    grants.events.on('change', this.#grantsChanged);
    membership.events.on('change', this.#peerChanged);
  }

  stop(): void {
    const { grants, membership } = this.#components;
    this.#stopHandling?.();
    this.#stopHandling = undefined;
    grants.events.off('change', this.#grantsChanged);
    membership.events.off('change', this.#peerChanged);
    for (const callers of this.#byHolder.values()) {
      for (const caller of callers) caller.close();
    }
  }

  /** What was revoked while we could not hear it counts before the peer is served. */
  #accept(stream: PeerStream): void {
    const inStep = this.#components.membership.inStep(stream.peer);
    if (inStep === undefined) {
      this.#admit(stream);
      return;
    }
    inStep.then(
      () => {
        if (this.#stopHandling === undefined) stream.abort(new Error('stopped'));
        else this.#admit(stream);
      },
      (error: unknown) => refuse(stream, error, this.#components),
    );
  }

  #admit(stream: PeerStream): void {
    const { grants } = this.#components;
    const holder = didFromPeerId(stream.peer);
    const siblings = this.#byHolder.get(holder) ?? new Set();
    if (siblings.size >= SESSIONS_PER_PEER) {
      const text = `${SESSIONS_PER_PEER} sessions of this peer are open already`;
      refuse(stream, new StarlingError('STARLING_LIMIT_EXCEEDED', text), this.#components);
      return;
    }
    const init = {
      messageBytes: this.#messageBytes,
      messages: this.#messages,
      turns: this.#turns,
    };
    let caller: PeerCaller;
    try {
      caller = new PeerCaller(stream, holder, this.#components, init);
    } catch (error) {
      // Who has this many waiting is told nothing in a message: that would be one more thing to wait for.
      stream.abort(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#byHolder.set(holder, siblings.add(caller));
    stream.onEnd(() => {
      siblings.delete(caller);
      if (siblings.size === 0) {
        this.#byHolder.delete(holder);
        grants.forget(holder);
      }
      caller.end();
    });
    caller.serve();
  }
}

/** One stream of a peer, and its session once a whole message has come. */
class PeerCaller {
  readonly #stream: PeerStream;
  readonly #holder: Did;
  readonly #components: PeerTransportComponents;
  readonly #messageBytes: number;
  readonly #messages: Buckets;
  #isBlocked = false;
  /** How long nothing more is to be read after what the chunk at hand was refused, ms. */
  #refusedForMs = 0;
  #cancelHold: (() => void) | undefined;
  readonly #output: PeerWriter;
  readonly #turn: Turn;
  /** The first message is long, and another one is read before. */
  #waitsForTurn = false;
  #session: Session | undefined;
  #isRefused = false;
  #cancelTimeout: (() => void) | undefined;
  /** Each is told once in a session: of thousands all would go out with each change. */
  readonly #told = new WeakSet<Grant | Revocation>();

  /** @throws STARLING_LIMIT_EXCEEDED */
  constructor(
    stream: PeerStream,
    holder: Did,
    components: PeerTransportComponents,
    init: {
      readonly messageBytes: number;
      readonly messages: Buckets;
      readonly turns: SessionTurns;
    },
  ) {
    this.#turn = init.turns.enter({
      peer: stream.peer,
      begin: () => this.#read(),
      readOn: () => {
        this.#waitsForTurn = false;
        this.#readOrWait();
      },
    });
    this.#stream = stream;
    this.#holder = holder;
    this.#components = components;
    this.#messageBytes = init.messageBytes;
    this.#messages = init.messages;
    this.#output = createPeerWriter(stream, components.logger, (byBytes) =>
      components.allowances.waits(stream.peer, byBytes),
    );
    // The caller reads slower than it asks: take no more questions until it has read.
    this.#output.onBlocked((blocked) => {
      this.#isBlocked = blocked;
      this.#readOrWait();
    });
  }

  /** Reads what the peer says, in its turn. */
  serve(): void {
    this.#cancelTimeout = this.#components.clock.schedule(INITIALIZE_TIMEOUT_MS, () =>
      this.#stream.abort(new StarlingError('STARLING_TIMEOUT', 'no session has begun')),
    );
    this.#turn.ask();
  }

  #read(): void {
    const { network } = this.#components;
    const { peer } = this.#stream;
    const init = {
      messageBytes: this.#messageBytes,
      broken: () => network.report(peer, 'malformed'),
    };
    let count = 0;
    let unasked = 0;
    const receiver: Receiver = {
      receive: (frame, reply) => {
        count += 1;
        if (frame.kind !== 'request') unasked += 1;
        this.#sessionFor(frame, reply)?.receive(frame, reply);
      },
    };
    const decoder = createSessionDecoder(receiver, this.#output, init);
    this.#stream.onData((chunk) => {
      count = 0;
      unasked = 0;
      decoder.push(chunk);
      if (this.#session === undefined && !this.#turn.holds(decoder.keptBytes)) {
        this.#waitsForTurn = true;
        this.#readOrWait();
      }
      this.#stream.holds(decoder.keptBytes);
      const waitMs = this.#components.allowances.unasked(peer, unasked);
      const refusedMs = Math.min(REFUSED_WAIT_MAX_MS, this.#refusedForMs);
      this.#refusedForMs = 0;
      this.#hold(Math.max(waitMs, refusedMs, this.#messages.charge(peer, count)));
    });
  }

  /** The session, built for the first whole message; undefined when there is none to be had. */
  #sessionFor(frame: Frame, reply: Reply): Session | undefined {
    if (this.#session !== undefined || this.#isRefused) return this.#session;
    this.#turn.proven();
    try {
      this.#session = this.#open();
    } catch (error) {
      const { logger } = this.#components;
      logger.info({ peer: this.#stream.peer, error: messageOf(error) }, REFUSED);
      this.#isRefused = true;
      if (frame.kind === 'request') reply.final(errorBytes(frame.id, errorOf(error)));
      // After the writer's flush, which is a microtask.
      setImmediate(() => closeQuietly(this.#stream, logger));
    }
    return this.#session;
  }

  /** @throws STARLING_LIMIT_EXCEEDED */
  #open(): Session {
    const { allowances } = this.#components;
    return this.#components.open({
      principal: this.#principal(undefined),
      push: (message) => this.#output.urgent(message),
      lists: {
        refusal: () => this.#refuseList(),
        made: (things) => allowances.listed(this.#stream.peer, things),
      },
      initializing: (params) => this.#initializing(metaOf(params)),
      notification: (frame) => {
        if (frame.method !== GRANTS_NOTIFICATION) return false;
        this.#present(frame.params['grants']);
        return true;
      },
    });
  }

  /** Who asks on when it was refused is not read for a while: a refusal costs something, too. */
  #refuseList(): StarlingError | undefined {
    const refusal = this.#components.allowances.listRefusal(this.#stream.peer);
    this.#refusedForMs = Number(refusal?.data['retryAfterMs'] ?? 0);
    return refusal;
  }

  /** Reads nothing for a while. */
  #hold(forMs: number): void {
    if (forMs === 0 || this.#cancelHold !== undefined) return;
    this.#cancelHold = this.#components.clock.schedule(forMs, () => {
      this.#cancelHold = undefined;
      this.#readOrWait();
    });
    this.#readOrWait();
  }

  #readOrWait(): void {
    const isHeldBack = this.#cancelHold !== undefined || this.#waitsForTurn;
    if (this.#isBlocked || isHeldBack) this.#stream.pause();
    else this.#stream.resume();
  }

  /** What we have issued to the peer, or revoked, has changed: tells it, and asks the guard about its calls again. */
  grantsChanged(): void {
    // What there is when it begins is told then.
    if (this.#session === undefined) return;
    const revocations = this.#components.grants
      .revocations()
      .slice(-GRANTS_MAX)
      .filter((revocation) => !this.#told.has(revocation));
    for (const revocation of revocations) this.#told.add(revocation);
    this.#output.urgent(
      notificationBytes(GRANTS_NOTIFICATION, {
        grants: this.#issued(),
        revocations: revocations.map(({ jws }) => jws),
      }),
    );
    this.#session.recheck();
  }

  /** The policy's entries for `peer:<alias>` go by the name that the peer has now. */
  rename({ alias, newName }: Pick<PeerView, 'alias' | 'newName'>): void {
    if (this.#session === undefined) return;
    const { principal } = this.#session;
    if (principal.kind !== 'peer') return;
    if (principal.alias === alias && principal.newName === newName) return;
    this.#session.rename({ ...principal, alias, newName });
  }

  close(): void {
    closeQuietly(this.#stream, this.#components.logger);
  }

  end(): void {
    this.#cancelTimeout?.();
    this.#cancelHold?.();
    this.#turn.ended();
    if (this.#session === undefined) return;
    this.#session.end();
    this.#components.ended(this.#session);
  }

  #principal(onBehalfOf: OnBehalfOf | undefined): Principal {
    const { peer } = this.#stream;
    // Before its first heartbeat nobody knows what the peer is called.
    const { alias = peer, newName } = this.#components.membership.peer(peer) ?? {};
    const did = this.#holder;
    const { worksFor = [] } = onBehalfOf ?? {};
    // Written out, as all principals are of one class for V8 then: each call reads its principal again and again.
    if (worksFor.length === 0)
      return { kind: 'peer', peerId: peer, did, alias, newName, onBehalfOf };
    const { callerOf = nobody } = this.#components;
    const meant = worksFor.map((link) => callerOf(link)).filter((one) => one !== undefined);
    return { kind: 'peer', peerId: peer, did, alias, newName, onBehalfOf, worksFor: meant };
  }

  #initializing(meta: JsonObject): Initializing {
    this.#cancelTimeout?.();
    const behalf = behalfIn(meta[ON_BEHALF_OF_META], this.#stream, this.#holder, this.#components);
    if (behalf !== undefined && this.#session !== undefined) {
      endWith(behalf, this.#stream, this.#session, this.#components);
    }
    this.#present(meta[GRANTS_META]);
    const server = meta[SERVER_META];
    return {
      meta: { [GRANTS_META]: this.#issued(), [ASKS_ALL_META]: true },
      spec: typeof server === 'string' ? { kind: 'server', server } : { kind: 'catalog' },
      principal: this.#principal(behalf?.onBehalfOf),
    };
  }

  #present(value: Json | undefined): void {
    const { allowances, grants, logger } = this.#components;
    const { peer } = this.#stream;
    const presented = stringsOf(value);
    if (presented.length === 0 || !allowances.mayShow(peer, presented.length)) return;
    const before = grants.verified;
    const refused = grants.present(this.#holder, presented);
    allowances.shown(peer, { verified: grants.verified - before, refused: refused.length });
    for (const { rule } of refused.slice(0, 1)) {
      logger.debug({ peer, rule, count: refused.length }, 'presented grants refused');
    }
  }

  /** The newest: the caller takes no more. */
  #issued(): readonly string[] {
    return this.#components.grants.issuedTo(this.#holder, this.#told).slice(-GRANTS_MAX);
  }
}

function nobody(link: string): Principal {
  return { kind: 'client', name: link, scopes: [] };
}

/** For whom the session is. When that does not hold there is none. @throws STARLING_UNAUTHORIZED */
function behalfIn(
  value: Json | undefined,
  stream: PeerStream,
  issuer: Did,
  { audit, clock, logger, membership, self }: PeerTransportComponents,
): CertifiedOnBehalfOf | undefined {
  try {
    const { clockOffsetMs } = membership.peer(stream.peer) ?? {};
    return readOnBehalfOf(value, { issuer, self, nowMs: clock.now(), clockOffsetMs });
  } catch (error) {
    const reason = messageOf(error);
    logger.info({ peer: stream.peer, error: reason }, REFUSED);
    const what = { ability: 'session/open', resource: `agent:${stream.peer}` };
    audit.note({ kind: 'decision', who: issuer, what, outcome: 'denied', reason });
    // After the answer, which is on its way when this turn is over.
    setImmediate(() => closeQuietly(stream, logger));
    throw error;
  }
}

/** Ends the session, once it is idle, when its certificate has ended: the next one has a new one. */
function endWith(
  { endsAtMs }: CertifiedOnBehalfOf,
  stream: PeerStream,
  session: Session,
  { clock, logger }: Pick<PeerTransportComponents, 'clock' | 'logger'>,
): void {
  const cancel = clock.schedule(Math.max(0, endsAtMs - clock.now()), () =>
    session.whenIdle(() => closeQuietly(stream, logger)),
  );
  stream.onEnd(cancel);
}

/** Closes the stream after what was written; nobody waits for that. */
function closeQuietly(stream: PeerStream, logger: Logger): void {
  unawaited(stream.close(), logger, 'a stream did not close', { peer: stream.peer });
}

/** Answers the first request with `error`, then ends the stream. */
function refuse(
  stream: PeerStream,
  error: unknown,
  { clock, logger }: PeerTransportComponents,
): void {
  logger.info({ peer: stream.peer, error: messageOf(error) }, REFUSED);
  const output = createPeerWriter(stream, logger);
  const cancel = clock.schedule(REFUSAL_TIMEOUT_MS, () => stream.abort(new Error('refused')));
  stream.onEnd(cancel);
  const receive: Session['receive'] = (frame, reply) => {
    if (frame.kind !== 'request') return;
    reply.final(errorBytes(frame.id, errorOf(error)));
    // After the writer's flush, which is a microtask.
    setImmediate(() => closeQuietly(stream, logger));
  };
  const decoder = createSessionDecoder({ receive }, output, { messageBytes: REFUSED_BYTES_MAX });
  stream.onData((chunk) => decoder.push(chunk));
}
