/** Four members whose rosters are compared, what their heartbeats say, and how one is passed on. */
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import { encodeRosterMessage } from '../../../src/membership/roster/roster-messages.ts';

export const [ALICE, BOB, CAROL, DAVE] = [2, 3, 4, 5].map((seed) =>
  createIdentity(Buffer.alloc(32, seed)),
) as [Identity, Identity, Identity, Identity];

/** What a heartbeat says of a node of this name. */
export const presenceOf = (name: string) => ({
  name,
  version: '1',
  addresses: [],
  load: 0,
  catalog: '',
  boards: {},
});

/** The message that passes on a heartbeat of `peer`. */
export const newsOf = (peer: PeerId, bytes: Uint8Array): Uint8Array =>
  encodeRosterMessage({ t: 'news', heartbeats: [{ peer, bytes }] });
