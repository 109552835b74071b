/**
 * Peers as callers: each `/starling/mcp/1` stream is a session whose principal is the key of its
 * connection. Grants ride in the first message and in `notifications/starling/grants`; what we have
 * issued to the caller rides back the same way.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Did, Json, JsonObject, Logger } from '../../core/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { errorBytes, errorOf, notificationBytes } from '../frame.ts';
import { createLineWriter } from '../line-writer.ts';
import type { Session, SessionComponents } from '../session.ts';
import { createSessionDecoder } from './lines.ts';

/** The protocol: an MCP session in newline-delimited JSON-RPC. */
export const MCP_PROTOCOL = '/starling/mcp/1';
/** Key in `_meta` of `initialize` and its result. */
export const GRANTS_META = 'starling/grants';
/** Method by which later grants are told. */
export const GRANTS_NOTIFICATION = 'notifications/starling/grants';

/** Grants or revocations in one message. */
const GRANTS_MAX = 512;
const SESSIONS_PER_PEER = 64;

/** What the transport works with. */
export interface PeerTransportComponents {
  readonly network: Pick<Network, 'handle'>;
  readonly membership: Pick<Membership, 'peer'>;
  readonly grants: GrantBook;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(own: Pick<SessionComponents, 'principal' | 'push' | 'initializing' | 'notification'>): Session;
  ended(session: Session): void;
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
  const accept = (stream: PeerStream): void => {
    const holder = didFromPeerId(stream.peer);
    const siblings = byHolder.get(holder) ?? new Set();
    if (siblings.size >= SESSIONS_PER_PEER) {
      refuse(stream, new StarlingError('STARLING_LIMIT_EXCEEDED', `${SESSIONS_PER_PEER} sessions of this peer are open`));
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
      refuse(stream, error);
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
  const writer = createLineWriter((chunk) => {
    if (stream.write(chunk)) return;
    // The caller reads slower than it asks: take no more questions until it has read.
    stream.pause();
    stream.drained().then(
      () => stream.resume(),
      (error: unknown) => logger.debug({ error: messageOf(error) }, 'peer went while it was slow'),
    );
  });
  const send = (message: Buffer): void => writer.line(message);
  const present = (texts: Json | undefined): void => {
    const jws = stringsOf(texts);
    if (jws.length === 0) return;
    for (const refusal of grants.present(holder, jws)) {
      logger.info({ peer: stream.peer, rule: refusal.rule }, 'presented grant refused');
    }
  };
  const principal: Principal = {
    kind: 'peer',
    peerId: stream.peer,
    did: holder,
    alias: components.membership.peer(stream.peer)?.alias ?? stream.peer,
  };
  const session = components.open({
    principal,
    push: send,
    initializing(params): JsonObject {
      present(metaOf(params)[GRANTS_META]);
      return { [GRANTS_META]: grants.issuedTo(holder) };
    },
    notification(frame) {
      if (frame.method === GRANTS_NOTIFICATION) present(frame.params['grants']);
    },
  });
  const decoder = createSessionDecoder(session, { messageBytes, send });
  stream.onData((chunk) => decoder.push(chunk));
  return {
    session,
    grantsChanged() {
      send(
        notificationBytes(GRANTS_NOTIFICATION, {
          grants: grants.issuedTo(holder),
          revocations: grants
            .revocations()
            .slice(-GRANTS_MAX)
            .map((revocation) => revocation.jws),
        }),
      );
      session.rejudge();
    },
    close: () => void stream.close(),
  };
}

function refuse(stream: PeerStream, error: unknown): void {
  const message = errorBytes(null, errorOf(error));
  stream.write(Buffer.concat([message, Buffer.from('\n')]));
  void stream.close();
}

function metaOf(params: JsonObject): JsonObject {
  const meta = params['_meta'];
  return typeof meta === 'object' && meta !== null && !Array.isArray(meta) ? (meta as JsonObject) : {};
}

/** The strings of a list from a peer, at most {@link GRANTS_MAX}. */
export function stringsOf(value: Json | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, GRANTS_MAX).filter((one) => typeof one === 'string');
}
