/** What members sign and show without end: each text is sound, and each costs who looks at it a signature. */
import { randomBytes } from 'node:crypto';
import { encode } from 'cborg';
import { didFromPeerId, issueGrant, issueRevocation } from '../../src/testing.ts';
import type { PeerStream } from '../../src/testing.ts';
import { turn } from './attack.ts';
import type { Attack } from './attack.ts';
import { openTo, pour } from './floods.ts';
import type { Member } from './member.ts';
import { prefixed } from './pubsub.ts';
import { MCP, initialize, line, serveRecords, serveSessions } from './sessions.ts';
import { attack } from './streams.ts';

const OFFERS = 'offers records or grants';
const AT_ONCE = 50;
const DAY_S = 86_400;
/** More than the node remembers to have verified. */
const KEPT = 3000;

type Signed = ReturnType<typeof issueGrant>;

/** A grant that the member gives for a tool of its own, to itself or to another. */
function grantOf({ signer }: Member, aud = signer.did): Signed {
  const cap = [{ resource: `tool:${randomBytes(4).toString('hex')}/*`, ability: 'tool/call' }];
  const now = Date.now();
  return issueGrant(
    signer,
    { aud, sub: signer.did, cap, expiresAt: Math.floor(now / 1000) + DAY_S },
    now,
  );
}

/**
 * Texts that are signed as they are needed, and shown again once there are {@link KEPT} of them, also in the next
 * attack: who signs alone is slower than who verifies.
 */
function texts(): (make: () => string, count: number) => readonly string[] {
  const stock: string[] = [];
  let at = 0;
  return (make, count) =>
    Array.from({ length: count }, () => {
      at += 1;
      if (stock.length < KEPT) stock.push(make());
      return stock[at % stock.length] ?? make();
    });
}

const revocations = attack(
  'signed-revocations',
  'sound revocations of grants that nobody has, without end',
  'signs records without end',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const make = (): string => issueRevocation(member.signer, grantOf(member), Date.now()).jws;
    while (!signal.aborted) {
      const stream = await openTo(member, target, '/starling/records/1', signal);
      if (stream === undefined) continue;
      stream.write(prefixed(encode({ t: 'have', hashes: [] })));
      const message = (): Uint8Array => {
        act();
        return prefixed(encode({ t: 'records', jws: Array.from({ length: AT_ONCE }, make) }));
      };
      await pour(stream, message, signal);
    }
  },
);

const useless = texts();
const sound = texts();

const presented = attack(
  'signed-grants',
  'sound grants that are of no use, presented without end',
  OFFERS,
  async (tools, member) => {
    const { target, signal, act } = tools;
    const make = (): string => grantOf(member).jws;
    serveRecords(member);
    while (!signal.aborted) {
      const stream = await openTo(member, target, MCP, signal);
      if (stream === undefined) continue;
      stream.write(line({ id: 1, method: 'initialize', params: initialize() }));
      const message = (): Uint8Array => {
        act();
        return line({
          method: 'notifications/starling/grants',
          params: { grants: useless(make, AT_ONCE), revocations: [] },
        });
      };
      await pour(stream, message, signal);
    }
  },
);

const given = attack(
  'given-grants',
  'grants and revocations, sound and not, given without end to who has opened a session',
  OFFERS,
  async (tools, member) => {
    const did = didFromPeerId(tools.target.peerId as never);
    const make = (): string => grantOf(member, did).jws;
    const unsound = (count: number): readonly string[] =>
      Array.from({ length: count }, () => `${randomBytes(300).toString('base64url')}.e30.AAAA`);
    let isOver = false;
    const push = async (open: ReadonlySet<PeerStream>): Promise<void> => {
      for (const stream of open) {
        const params = {
          grants: [...sound(make, AT_ONCE), ...unsound(AT_ONCE)],
          revocations: unsound(5),
        };
        tools.act();
        stream.write(line({ method: 'notifications/starling/grants', params }));
      }
      await turn();
    };
    await serveSessions(tools, member, {}, (open) => {
      if (!isOver) void push(open).finally(() => (isOver = false));
      isOver = true;
    });
  },
);

/** What members sign. */
export const signedAttacks: readonly Attack[] = [revocations, presented, given];
