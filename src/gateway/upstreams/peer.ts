/** Peers as upstreams: an MCP session of ours on a stream to the peer that owns the tools. */
import { StarlingError, createLineDecoder, messageOf } from '../../core/index.ts';
import type { Clock, Json, Logger } from '../../core/index.ts';
import { REVOCATION_TYPE } from '../../grants/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { BEHALF_META } from '../clearance/on-behalf-of.ts';
import { RPC, errorBytes } from '../wire/frame.ts';
import { initialize } from '../wire/client-handshake.ts';
import { createChannel, idAtEdge } from '../wire/channel.ts';
import type { ChannelCore } from '../wire/channel.ts';
import { WAITING_BYTES_MAX, createPeerWriter } from '../wire/peer-writer.ts';
import {
  GRANTS_META,
  GRANTS_NOTIFICATION,
  MCP_PROTOCOL,
  SERVER_META,
  stringsOf,
} from '../wire/peer-protocol.ts';
import type { ClientFacts, ChannelListener, ServerChannel } from '../types.ts';
import { decodeJws } from '../../identity/index.ts';

const OPEN_TIMEOUT_MS = 10_000;

/** What channels to peers are made with. */
export interface PeerChannelComponents {
  readonly network: Pick<Network, 'open'>;
  readonly membership: Pick<Membership, 'inStep'>;
  readonly grants: GrantBook;
  /** Called when grants that we received have changed: open sessions present the new ones. */
  readonly presenters: Set<() => void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a channel to a peer. */
export interface PeerChannelInit {
  readonly messageBytes: number;
  readonly callTimeoutMs: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** Which part of the peer, for which client, and who hears what it says by itself. */
export interface PeerChannelNeeds {
  readonly notification: ChannelListener['notification'];
  readonly request?: ChannelListener['request'];
  /** One server of it; absent for the catalog of all. */
  readonly server?: string;
  readonly client?: ClientFacts;
  /** The certificate of on whose behalf it is; absent where it is for the node itself. */
  readonly behalf?: string | undefined;
}

/** Nobody stands behind the node's own sessions. */
const refuse: ChannelListener['request'] = (frame, answer) =>
  answer(
    errorBytes(frame.id, {
      code: RPC.methodNotFound,
      message: `this client does not serve ${frame.method}`,
    }),
  );

/** Opens a session at `peer`. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT, … */
export async function openPeerChannel(
  components: PeerChannelComponents,
  init: PeerChannelInit,
  peer: PeerView,
  wish: PeerChannelNeeds,
): Promise<ServerChannel> {
  const { network, membership, grants } = components;
  const stream = await network.open(peer.peerId, MCP_PROTOCOL, {
    signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
  });
  try {
    await membership.inStep(peer.peerId);
  } catch (error) {
    stream.abort(new Error('not in step'));
    throw error;
  }
  let finish: (error: StarlingError) => void = () => undefined;
  const ended = new Promise<StarlingError>((resolve) => {
    finish = resolve;
  });
  const channel = linkOver(stream, peer, components, init, {
    notification(frame, related) {
      if (frame.method === GRANTS_NOTIFICATION) {
        takeGrants(components, frame.params['grants'], frame.params['revocations']);
      } else wish.notification(frame, related);
    },
    request: wish.request ?? refuse,
  });
  let presented = new Set(grants.toPresent(peer.did));
  const presentNew = (): void => {
    const now = grants.toPresent(peer.did);
    const isNew = now.some((jws) => !presented.has(jws));
    presented = new Set(now);
    if (isNew) channel.notify(GRANTS_NOTIFICATION, { grants: now });
  };
  components.presenters.add(presentNew);
  stream.onEnd(() => {
    components.presenters.delete(presentNew);
    const error = new StarlingError(
      'STARLING_PEER_UNREACHABLE',
      `peer ${peer.alias} went away during the call`,
      { hint: 'see who is there: starling peers', data: { peer: peer.peerId } },
    );
    channel.end(error);
    finish(error);
  });
  try {
    const handshake = await initialize(channel, `peer ${peer.alias}`, {
      timeoutMs: OPEN_TIMEOUT_MS,
      ...(wish.client === undefined ? {} : { client: wish.client }),
      meta: {
        [GRANTS_META]: [...presented],
        ...(wish.server === undefined ? {} : { [SERVER_META]: wish.server }),
        ...(wish.behalf === undefined ? {} : { [BEHALF_META]: wish.behalf }),
      },
    });
    takeGrants(components, handshake.meta[GRANTS_META], undefined);
  } catch (error) {
    stream.abort(new Error('handshake failed'));
    throw error;
  }
  return {
    relay: (call) => channel.relay(call),
    request: (method, params, options) => channel.request(method, params, options),
    notify: (method, params) => channel.notify(method, params),
    ended,
    close: () => void stream.close(),
  };
}

function linkOver(
  stream: PeerStream,
  peer: PeerView,
  components: PeerChannelComponents,
  init: PeerChannelInit,
  listener: ChannelListener,
): ChannelCore {
  const writer = createPeerWriter(stream, components.logger);
  const channel = createChannel(
    {
      send(message) {
        if (writer.line(message)) return;
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `peer ${peer.alias} reads too slowly: ${WAITING_BYTES_MAX} bytes wait for it already`,
          { hint: 'send less at once', data: { peer: peer.peerId } },
        );
      },
      listener,
      invalid: (_, error) => stream.abort(error),
      clock: components.clock,
      logger: components.logger,
    },
    { ...init, title: `peer ${peer.alias}` },
  );
  const decoder = createLineDecoder(init.messageBytes, {
    line: (bytes) => channel.receive(bytes),
    oversize(sizeBytes, head, tail) {
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `peer ${peer.alias} sent a message of ${sizeBytes} bytes, over our limits.messageBytes of ${init.messageBytes}`,
        { data: { limit: 'limits.messageBytes', peer: peer.peerId } },
      );
      const id = idAtEdge(head, tail);
      if (id === undefined) channel.failAll(error);
      else channel.fail(id, error);
    },
  });
  stream.onData((chunk) => decoder.push(chunk));
  return channel;
}

function takeGrants(
  components: PeerChannelComponents,
  grants: Json | undefined,
  revocations: Json | undefined,
): void {
  const take = async (): Promise<void> => {
    const refusals = await components.grants.receive(stringsOf(grants));
    for (const refusal of refusals) {
      components.logger.info({ rule: refusal.rule }, 'received grant refused');
    }
    // Of others' the mesh's records tell us, which take them from members only.
    const ids = new Set(
      components.grants
        .received()
        .flatMap((grant) => components.grants.chainOf(grant))
        .map(({ claims }) => claims.jti),
    );
    for (const jws of stringsOf(revocations)) {
      if (ids.has(idIn(jws))) await components.grants.addRevocation(jws);
    }
  };
  take().catch((error: unknown) =>
    components.logger.info({ error: messageOf(error) }, 'grants from a peer not taken'),
  );
}

/** Which grant it says to revoke; the grant book looks at the signature. @throws STARLING_GRANT_MALFORMED */
function idIn(jws: string): string {
  const { payload } = decodeJws(jws, REVOCATION_TYPE);
  return typeof payload === 'object' && payload !== null && 'jti' in payload
    ? String(payload.jti)
    : '';
}
