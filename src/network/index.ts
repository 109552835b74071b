/** The network: peers, streams and topics of one mesh, over libp2p. */
export { createMessageStream } from './streams/message-stream.ts';
export { createNetwork } from './network.ts';
export { askMesh } from './ask-mesh.ts';
export { packAddress, unpackAddress } from './addresses/addresses.ts';
export type { NetworkComponents, NetworkInit } from './run-parts.ts';
export type {
  Admission,
  Hello,
  HelloAnswer,
  InviteProof,
  MessageStream,
  Network,
  NetworkEvents,
  PeerStream,
  Route,
  Topic,
  Transport,
  TransportListener,
} from './types.ts';
