/** The network: peers, streams and topics of one mesh, over libp2p. */
export { createMessageChannel } from './message-channel.ts';
export { createNetwork } from './network.ts';
export type { NetworkComponents, NetworkInit } from './network.ts';
export { probeMesh } from './probe.ts';
export type {
  Admission,
  Hello,
  InviteProof,
  MessageChannel,
  Network,
  NetworkEvents,
  PeerStream,
  Route,
  Topic,
  Welcome,
} from './types.ts';
