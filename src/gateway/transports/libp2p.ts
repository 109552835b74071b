/**
 * Peers as callers: each `/starling/mcp/1` stream is a session whose principal is the key of its
 * connection. Grants ride in the first message and in `notifications/starling/grants`; what we have
 * issued to the caller rides back the same way.
 */
import type { Audit } from '../../audit/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did, Json, Logger } from '../../core/index.ts';
import type { Grant, GrantBook, Revocation } from '../../grants/index.ts';
import type { OnBehalfOf, Principal } from '../../guard/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { BEHALF_META, readBehalf } from '../clearance/on-behalf-of.ts';
import type { Behalf } from '../clearance/on-behalf-of.ts';
import { metaOf } from '../wire/era.ts';
import { errorBytes, errorOf, notificationBytes } from '../wire/frame.ts';
import { createPeerWriter } from '../wire/peer-writer.ts';
import type { Session, SessionComponents } from '../session/types.ts';
import { createSessionDecoder } from './message-session.ts';

/** The protocol: an MCP session in newline-delimited JSON-RPC. */
export const MCP_PROTOCOL = '/starling/mcp/1';
/** Key in `_meta` of `initialize` and its result. */
export const GRANTS_META = 'starling/grants';
/** Key in `_meta` of `initialize`: the one server that the session is for; without it, the catalog. */
export const SERVER_META = 'starling/server';
/** Method by which later grants are told. */
export const GRANTS_NOTIFICATION = 'notifications/starling/grants';

/** Grants or revocations in one message. */
const GRANTS_MAX = 512;
const SESSIONS_PER_PEER = 512;
/** How long a caller that can't be served has to ask, so that it can be told why. */
const REFUSAL_TIMEOUT_MS = 5000;
/** What such a caller may say in one message; grants ride in the first. */
const REFUSED_BYTES_MAX = 1024 * 1024;

/** What the transport works with. */
export interface PeerTransportComponents {
  readonly network: Pick<Network, 'handle'>;
  readonly membership: Pick<Membership, 'peer' | 'inStep'>;
  readonly grants: GrantBook;
  readonly audit: Pick<Audit, 'note'>;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(
    own: Pick<SessionComponents, 'principal' | 'push' | 'initializing' | 'notification'>,
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

/** Makes the transport. */
export function createPeerTransport(
  components: PeerTransportComponents,
  init: { readonly messageBytes: number },
): PeerTransport {
  const byHolder = new Map<Did, Set<Served>>();
  let stopHandling: (() => void) | undefined;

  const changed = (holder: Did): void => {
    for (const served of byHolder.get(holder) ?? []) served.grantsChanged();
  };
  /** What was revoked while we could not hear it counts before the peer is served. */
  const accept = (stream: PeerStream): void => {
    const inStep = components.membership.inStep(stream.peer);
    if (inStep === undefined) admit(stream);
    else {
      inStep.then(
        () => (stopHandling === undefined ? stream.abort(new Error('stopped')) : admit(stream)),
        (error: unknown) => refuse(stream, error, components),
      );
    }
  };
  const admit = (stream: PeerStream): void => {
    const holder = didFromPeerId(stream.peer);
    const siblings = byHolder.get(holder) ?? new Set();
    if (siblings.size >= SESSIONS_PER_PEER) {
      const text = `${SESSIONS_PER_PEER} sessions of this peer are open already`;
      refuse(stream, new StarlingError('STARLING_LIMIT_EXCEEDED', text), components);
      return;
    }
    try {
      const served = serve(stream, holder, components, init.messageBytes);
      byHolder.set(holder, siblings.add(served));
      stream.onEnd(() => {
        siblings.delete(served);
        if (siblings.size === 0) {
          byHolder.delete(holder);
          components.grants.forget(holder);
        }
        served.session.end();
        components.ended(served.session);
      });
    } catch (error) {
      refuse(stream, error, components);
    }
  };
  return {
    start() {
      if (stopHandling !== undefined) return;
      stopHandling = components.network.handle(MCP_PROTOCOL, accept);
      components.grants.events.on('change', changed);
    },
    stop() {
      stopHandling?.();
      stopHandling = undefined;
      components.grants.events.off('change', changed);
      for (const all of byHolder.values()) for (const served of all) served.close();
    },
  };
}

interface Served {
  /** For whom it is, the first message says. */
  readonly principal: Extract<Principal, { kind: 'peer' }> & {
    onBehalfOf: OnBehalfOf | undefined;
  };
  readonly session: Session;
  grantsChanged(): void;
  close(): void;
}

function serve(
  stream: PeerStream,
  holder: Did,
  components: PeerTransportComponents,
  messageBytes: number,
): Served {
  const { grants, logger } = components;
  const output = createPeerWriter(stream, logger);
  // The caller reads slower than it asks: take no more questions until it has read.
  output.onBlocked((blocked) => (blocked ? stream.pause() : stream.resume()));
  const present = (texts: Json | undefined): void => {
    const jws = stringsOf(texts);
    if (jws.length === 0) return;
    for (const refusal of grants.present(holder, jws)) {
      logger.info({ peer: stream.peer, rule: refusal.rule }, 'presented grant refused');
    }
  };
  // Each is told once in a session: of thousands all would go out with each change.
  const told = new WeakSet<Grant | Revocation>();
  // The newest: the caller takes no more.
  const issued = (): readonly string[] => grants.issuedTo(holder, told).slice(-GRANTS_MAX);
  const principal: Served['principal'] = {
    kind: 'peer',
    peerId: stream.peer,
    did: holder,
    alias: components.membership.peer(stream.peer)?.alias ?? stream.peer,
    onBehalfOf: undefined,
  };
  const session: Session = components.open({
    principal,
    push: (message) => output.urgent(message),
    initializing(params) {
      const meta = metaOf(params);
      const behalf = behalfIn(meta[BEHALF_META], stream, holder, components);
      // Before anything is decided in this session.
      principal.onBehalfOf = behalf?.onBehalfOf;
      if (behalf !== undefined) endWith(behalf, stream, session, components.clock);
      present(meta[GRANTS_META]);
      const server = meta[SERVER_META];
      return {
        meta: { [GRANTS_META]: issued() },
        spec: typeof server === 'string' ? { kind: 'server', server } : { kind: 'catalog' },
      };
    },
    notification(frame) {
      if (frame.method !== GRANTS_NOTIFICATION) return false;
      present(frame.params['grants']);
      return true;
    },
  });
  const decoder = createSessionDecoder(session, output, { messageBytes });
  stream.onData((chunk) => decoder.push(chunk));
  return {
    principal,
    session,
    grantsChanged() {
      const news = grants
        .revocations()
        .slice(-GRANTS_MAX)
        .filter((revocation) => !told.has(revocation));
      for (const revocation of news) told.add(revocation);
      output.urgent(
        notificationBytes(GRANTS_NOTIFICATION, {
          grants: issued(),
          revocations: news.map(({ jws }) => jws),
        }),
      );
      session.rejudge();
    },
    close: () => void stream.close(),
  };
}

/** For whom the session is. When that does not hold there is none. @throws STARLING_UNAUTHORIZED */
function behalfIn(
  value: Json | undefined,
  stream: PeerStream,
  issuer: Did,
  { audit, clock, logger }: PeerTransportComponents,
): Behalf | undefined {
  try {
    return readBehalf(value, { issuer, nowMs: clock.now() });
  } catch (error) {
    const reason = messageOf(error);
    logger.info({ peer: stream.peer, error: reason }, 'session of a peer refused');
    const what = { ability: 'session/open', resource: `agent:${stream.peer}` };
    audit.note({ kind: 'decision', who: issuer, what, outcome: 'denied', reason });
    // After the answer, which is on its way when this turn is over.
    setImmediate(() => void stream.close());
    throw error;
  }
}

/** Ends the session, once it is idle, when its certificate has ended: the next one has a new one. */
function endWith({ endsAtMs }: Behalf, stream: PeerStream, session: Session, clock: Clock): void {
  const cancel = clock.schedule(Math.max(0, endsAtMs - clock.now()), () =>
    session.whenIdle(() => void stream.close()),
  );
  stream.onEnd(cancel);
}

/** Answers the first request with `error`, then ends the stream. */
function refuse(
  stream: PeerStream,
  error: unknown,
  { clock, logger }: PeerTransportComponents,
): void {
  logger.info({ peer: stream.peer, error: messageOf(error) }, 'session of a peer refused');
  const output = createPeerWriter(stream, logger);
  const cancel = clock.schedule(REFUSAL_TIMEOUT_MS, () => stream.abort(new Error('refused')));
  stream.onEnd(cancel);
  const receive: Session['receive'] = (frame, reply) => {
    if (frame.kind !== 'request') return;
    reply.final(errorBytes(frame.id, errorOf(error)));
    // After the writer's flush, which is a microtask.
    setImmediate(() => void stream.close());
  };
  const decoder = createSessionDecoder({ receive }, output, { messageBytes: REFUSED_BYTES_MAX });
  stream.onData((chunk) => decoder.push(chunk));
}

/** The strings of a list from a peer, at most {@link GRANTS_MAX}. */
export function stringsOf(value: Json | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, GRANTS_MAX).filter((one) => typeof one === 'string');
}
