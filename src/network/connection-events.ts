/** What happens when libp2p opens or closes a connection: hello, links, redialling, and who is told. */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError } from '../core/index.ts';
import { createHelloExchange } from './admission/hello-exchange.ts';
import type { HelloExchange } from './admission/hello-exchange.ts';
import { meterOf } from './host/muxer.ts';
import type { ControlStreams } from './links/control-streams.ts';
import type { Parting } from './links/parting.ts';
import type { LinkUpkeep } from './links/link-upkeep.ts';
import { peerOf } from './peer-id.ts';
import type { Reach } from './reach/reach.ts';
import type { NetworkRunEvents, RunComponents, RunParts } from './run-parts.ts';

/** The watching of connections, running. */
export interface ConnectionEvents {
  /** The handler of the hello protocol. */
  readonly answerHello: (stream: Stream, connection: Connection) => Promise<void>;
  stop(): void;
}

/** What looks after admitted connections. */
interface LinkKeepers {
  readonly upkeep: LinkUpkeep;
  readonly control: ControlStreams;
  readonly parting: Parting;
  readonly reach: Reach;
}

/** Watches the connections of a run from now on. */
export function watchConnections(
  components: RunComponents,
  parts: RunParts,
  keepers: LinkKeepers,
  events: NetworkRunEvents,
): ConnectionEvents {
  return new Watch(components, parts, keepers, events);
}

class Watch implements ConnectionEvents {
  readonly #logger: RunComponents['logger'];
  readonly #parts: RunParts;
  readonly #upkeep: LinkUpkeep;
  readonly #control: ControlStreams;
  readonly #parting: Parting;
  readonly #reach: Reach;
  readonly #events: NetworkRunEvents;
  readonly #hellos: HelloExchange;

  constructor(
    { admission, clock, conduct, logger }: RunComponents,
    parts: RunParts,
    { upkeep, control, parting, reach }: LinkKeepers,
    events: NetworkRunEvents,
  ) {
    this.#logger = logger;
    this.#parts = parts;
    this.#upkeep = upkeep;
    this.#control = control;
    this.#parting = parting;
    this.#reach = reach;
    this.#events = events;
    this.#hellos = createHelloExchange(
      { admission, gate: parts.gate, clock, conduct, logger, scope: parts.scope },
      {
        onAdmitted: (connection) => this.#onAdmitted(connection),
        onOtherVersion: (peer, theirs) => events.onVersion(peer, theirs),
      },
    );
    parts.host.node.addEventListener('connection:open', this.#onOpen);
    parts.host.node.addEventListener('connection:close', this.#onClose);
  }

  readonly answerHello = (stream: Stream, connection: Connection): Promise<void> =>
    this.#hellos.answer(stream, connection);

  stop(): void {
    const { node } = this.#parts.host;
    node.removeEventListener('connection:open', this.#onOpen);
    node.removeEventListener('connection:close', this.#onClose);
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    if (connection.direction === 'inbound') {
      this.#parts.ephemeral.add(String(connection.remoteAddr));
    }
    this.#hellos.begin(connection);
  };

  #onAdmitted(connection: Connection): void {
    const { links } = this.#parts;
    const peer = peerOf(connection);
    const isFirst = !links.has(peer);
    this.#events.onVersion(peer, undefined);
    this.#parts.doorkeeper.admitted(connection);
    meterOf(connection)?.admitted(peer);
    links.add(connection);
    this.#control.admitted(connection);
    const address = String(connection.remoteAddr);
    this.#logger.debug({ peer, address }, 'a connection is admitted');
    this.#events.onPeerLink(peer);
    if (isFirst) this.#events.onPeerConnect(peer);
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => {
    const { gate, links, redialer, targets, ephemeral } = this.#parts;
    const peer = peerOf(connection);
    ephemeral.delete(String(connection.remoteAddr));
    gate.refuse(
      connection,
      new StarlingError('STARLING_PEER_UNREACHABLE', `the connection to ${peer} was closed`),
    );
    this.#upkeep.closed(connection);
    this.#control.closed(connection);
    this.#parting.closed(connection);
    const lastedMs = links.remove(connection);
    if (lastedMs === undefined) return;
    const rest = links.best(peer);
    // Gossip and relay may have lived on the closed connection: let them find the other.
    if (rest !== undefined) this.#upkeep.tell(rest);
    if (links.has(peer)) return;
    this.#reach.gone(peer);
    this.#events.onPeerDisconnect(peer, this.#parting.isMeant(connection));
    for (const key of targets.keysOf(peer)) redialer.lost(key, lastedMs);
  };
}
