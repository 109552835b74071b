/** Multiaddrs as this room uses them. Pure. */
import { CODE_P2P, multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import { StarlingError } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { isPeerId } from '../peer-id.ts';

/** @throws STARLING_ID_MALFORMED */
export function parseAddress(text: string): Multiaddr {
  try {
    return multiaddr(text);
  } catch (error) {
    throw new StarlingError('STARLING_ID_MALFORMED', `${text} is no multiaddr`, {
      hint: 'a multiaddr looks like /ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…',
      cause: error,
    });
  }
}

/** The peer that an address leads to: its last `/p2p/`; none when it ends at a relay. */
export function peerIn(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1);
  if (last?.code !== CODE_P2P || last.value === undefined) return undefined;
  return isPeerId(last.value) ? last.value : undefined;
}

/** `address` with `/p2p/<peer>` at its end. */
export function withPeer(address: Multiaddr, peer: PeerId): Multiaddr {
  return peerIn(address) === peer ? address : address.encapsulate(`/p2p/${peer}`);
}

/** `address` without the peer at its end: whoever is there. */
export function withoutPeer(address: Multiaddr): Multiaddr {
  const peer = peerIn(address);
  return peer === undefined ? address : address.decapsulate(`/p2p/${peer}`);
}

/** The bytes of an address (multiaddr specification), without the peer at its end. @throws STARLING_ID_MALFORMED */
export function packAddress(text: string): Uint8Array {
  return withoutPeer(parseAddress(text)).bytes;
}

/** The address of `peer` that {@link packAddress} made into `bytes`. @throws STARLING_ID_MALFORMED */
export function unpackAddress(bytes: Uint8Array, peer: PeerId): string {
  try {
    return withPeer(multiaddr(bytes), peer).toString();
  } catch (error) {
    throw new StarlingError('STARLING_ID_MALFORMED', 'these bytes are no multiaddr', {
      cause: error,
    });
  }
}

/** Whether the way leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some((component) => component.name === 'p2p-circuit');
}
