/** The network: peers, streams and topics of one mesh, over libp2p. */
export { messageFields } from './streams/message-fields.ts';
export { createMessageStream } from './streams/message-stream.ts';
export { createNetwork } from './network.ts';
export { askMesh } from './ask-mesh.ts';
export { reasonAt } from './failure-words.ts';
export { topicPrefix } from './gossip/topic-name.ts';
export { createBareHost } from './bare-host.ts';
export { createEncryption } from './host/encryption.ts';
export { baseOptions } from './host/host.ts';
export { adaptTransport } from './host/transport.ts';
export type { BareConnection, BareHost } from './bare-host.ts';
export { packAddress, unpackAddress } from './addresses/addresses.ts';
export { HELLO_VERSION } from './constants.ts';
export { OWN_VERSION, versionHint, versionText } from './admission/versions.ts';
export type { NetworkTally } from './host/network-counts.ts';
export type { NetworkComponents, NetworkInit } from './run-parts.ts';
export type {
  Admission,
  ConductReport,
  FoundOutside,
  Hello,
  HelloAnswer,
  InviteProof,
  KnockingAddress,
  LanNode,
  MessageStream,
  Misconduct,
  Network,
  NetworkEvents,
  OpenPortsView,
  PeerStream,
  Route,
  SpokenVersion,
  StrangerStream,
  Topic,
  TopicOptions,
  Transport,
  TransportListener,
  VouchedTransport,
  VouchingTransport,
} from './types.ts';
