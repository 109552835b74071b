/** Who takes part in the cases: keys from fixed seeds, one moment, and grants. */
import type { FakeStream } from './fake-stream.ts';
import { issueGrant } from '../../src/grants/format/issue.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { createFrameDecoder } from '../../src/network/streams/framing.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { Notes, WireKind } from './fixture.ts';

/** A message of a fixture. */
export interface WireCase {
  /** File in `test/fixtures/wire`, without its ending. */
  readonly file: string;
  readonly title: string;
  readonly kind: WireKind;
  readonly notes?: Notes;
  /** What today's code writes; absent where the bytes are not one, as said in the fixture. */
  readonly write?: () => Uint8Array | Promise<Uint8Array>;
  /** What today's code reads from the fixture's bytes, to be compared with `value`. */
  readonly read: (bytes: Uint8Array) => unknown;
  readonly value: unknown;
}

export const [mesh, founder, member, newcomer, invite, next] = [1, 2, 3, 4, 5, 6].map((byte) =>
  createIdentity(new Uint8Array(32).fill(byte)),
) as [Identity, Identity, Identity, Identity, Identity, Identity];
type Identity = ReturnType<typeof createIdentity>;

export const NOW_MS = 1_700_000_000_000;
export const EXPIRES_AT = 1_731_536_000;
export const random = (size: number): Uint8Array => new Uint8Array(size).fill(0xa5);
export const clock = createTestClock(NOW_MS);
export const resource = `mesh:${mesh.did}`;
export const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
export const text = (value: string): Uint8Array => Buffer.from(value, 'utf8');

export const ROOT = issueGrant(
  mesh,
  {
    aud: founder.did,
    sub: mesh.did,
    cap: [
      { resource, ability: 'mesh/join' },
      { resource, ability: 'mesh/invite' },
    ],
    expiresAt: EXPIRES_AT,
    maxDepth: 8,
  },
  NOW_MS,
  random,
);
export const INVITE = issueGrant(
  founder,
  {
    aud: invite.did,
    sub: mesh.did,
    cap: [{ resource, ability: 'mesh/join' }],
    expiresAt: 1_700_086_400,
    parents: [ROOT],
  },
  NOW_MS,
  random,
);
export const TOOL = issueGrant(
  founder,
  {
    aud: member.did,
    sub: founder.did,
    cap: [
      {
        resource: 'tool:files/*',
        ability: 'tool/call',
        caveats: { rate: { per_s: 2, burst: 5 } },
      },
    ],
    expiresAt: EXPIRES_AT,
    notBefore: 1_700_000_000,
    maxDepth: 1,
  },
  NOW_MS,
  random,
);

/** The bytes after the length, checked against it. */
export function unframe(bytes: Uint8Array): Uint8Array {
  const messages: Uint8Array[] = [];
  const decoder = createFrameDecoder(1024 * 1024, (message) => messages.push(message));
  decoder.push(bytes);
  if (!decoder.atBoundary || messages.length !== 1) throw new Error('not one whole message');
  return messages[0] ?? new Uint8Array();
}

export const isFramed = (bytes: Buffer): boolean => {
  try {
    unframe(bytes);
    return true;
  } catch {
    // More bytes are to come.
    return false;
  }
};

/** Resolves with the first whole message on `stream`. */
export const whole = (stream: FakeStream): Promise<Buffer> => stream.wrote(isFramed);
