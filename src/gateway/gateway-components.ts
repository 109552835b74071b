/** What a gateway is made of: the rooms that it asks, and its names, places and bounds. */
import type { Audit } from '../audit/index.ts';
import type { Spendings } from '../budget/index.ts';
import type { Config } from '../config/index.ts';
import type { Clock, Did, Logger, Random } from '../core/index.ts';
import type { Directory, Lacking } from '../directory/index.ts';
import type { GrantBook } from '../grants/index.ts';
import type { Approvals, Guard, Principal } from '../guard/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Membership } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { Store, Table } from '../store/index.ts';
import type { ApiKeys } from './door/api-keys.ts';
import type { AttachedClients } from './door/attached-clients.ts';
import type { TokenClients } from './door/token-clients.ts';
import type { DashboardFace, MetricsFace, ModelsFace } from './door/types.ts';
import type { CallMeter } from './session/call/call-meter.ts';
import type { CallTracer } from './session/call/call-span.ts';
import type { Pins } from './pins/pins.ts';
import type { NodeToken } from './door/token-file.ts';
import type { PeerTransportComponents } from './transports/libp2p.ts';
import type { ShownAgents, Upstreams } from './types.ts';
import type { SamplingFace } from './inner-types.ts';
import type { Children } from './upstreams/process/process-record.ts';
import type { Sandbox } from './upstreams/sandbox/sandbox.ts';
import type { SessionHintsComponents } from './upstreams/session-hints.ts';
import type { ChannelOpenerComponents } from './upstreams/channel-opener.ts';

/** What the gateway needs of the network. */
export type PeerNetwork = PeerTransportComponents['network'] &
  ChannelOpenerComponents['network'] &
  SessionHintsComponents['network'] &
  Pick<Network, 'isSpare'>;

/** What the gateway works with. */
export interface GatewayComponents {
  /** This node: what agents sign at the door names it. */
  readonly self: Did;
  /** Certifies on whose behalf the node calls peers. */
  readonly signer: Signer;
  readonly upstreams: Upstreams;
  readonly directory: Directory;
  /** What other rooms find peers to lack counts as well; default: what is found here alone. */
  readonly lacking?: Lacking;
  readonly guard: Guard;
  readonly approvals: Pick<Approvals, 'ask' | 'askLasting' | 'attach'>;
  /** Holds what calls cost; default: no call costs anything. */
  readonly spendings?: Spendings;
  /** What calls of a tool of this node cost, for lists; default: nothing. */
  readonly pricesOf?: (server: string, tool: string) => readonly string[];
  readonly audit: Pick<Audit, 'append' | 'healthy' | 'isOn' | 'note'>;
  /** Where calls are kept that are tasks to their callers. */
  readonly callTable: Table;
  /** Whether what the node keeps can be written; default: always. */
  readonly state?: Pick<Store, 'healthy'>;
  readonly grants: GrantBook;
  readonly keys: ApiKeys;
  /** See `PeerTransportComponents`. */
  readonly callerOf?: (link: string) => Principal | undefined;
  readonly clients: AttachedClients;
  /** Who has come with an access token. */
  readonly tokens: TokenClients;
  readonly token: NodeToken;
  readonly pins: Pins;
  /** Agents that A2A shows; absent: none. */
  readonly agents?: ShownAgents;
  /** The APIs of language models at the HTTP endpoint; absent: none. */
  readonly models?: ModelsFace;
  /** Answers servers in place of clients that have no model; absent: nobody does. */
  readonly sampling?: SamplingFace;
  /** The figures at the HTTP endpoint, and what counts calls for them; absent: nobody reads or counts. */
  readonly metrics?: MetricsFace & { readonly calls: CallMeter };
  /** Keeps the spans of calls; absent: nobody collects them. */
  readonly tracer?: CallTracer;
  /** The page of the operator at the HTTP endpoint; absent: none. */
  readonly dashboard?: DashboardFace;
  /** What stands around processes that the node starts, and where they are noted; absent: nothing does. */
  readonly sandbox?: Sandbox;
  readonly children?: Children;
  readonly network: PeerNetwork;
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'byAlias' | 'inStep' | 'events'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Names, places and bounds of the gateway. */
export interface GatewayInit {
  /** This node's name. */
  readonly name: string;
  readonly http: Config['http'];
  readonly tcp: Config['tcp'];
  readonly limits: Config['limits'];
  readonly keepAlive: Config['keepAlive'];
  readonly list: Config['list'];
  readonly views: Config['views'];
  readonly socketPath: string;
  readonly tokenFile: string;
}
