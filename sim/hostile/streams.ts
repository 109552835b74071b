/** What members do on streams of their own. */
import { randomBytes } from 'node:crypto';
import { encode } from 'cborg';
import type { PeerStream } from '../../src/testing.ts';
import { pause } from './attack.ts';
import type { Attack, AttackTools } from './attack.ts';
import { openTo, pour, saidOf } from './floods.ts';
import type { Member } from './member.ts';
import { prefixed } from './pubsub.ts';
import { MCP, initialize, line, serveRecords } from './sessions.ts';

const STREAMS = 800;
const AT_ONCE = 32;
const SLOW = 450;
/** How long one message without an end is sent on. */
const POURED_MS = 150;
const PROTOCOLS = [MCP, '/starling/records/1', '/starling/board/2'];

/** Something that a member does, and what `status` says of it. */
export function attack(
  name: string,
  title: string,
  deeds: string | undefined,
  run: (tools: AttackTools, member: Member) => Promise<void>,
): Attack {
  return {
    name,
    title: `member: ${title}`,
    ...(deeds === undefined ? {} : { said: saidOf(deeds) }),
    run: async (tools) => run(tools, await tools.member()),
  };
}

const streams = attack(
  'member-streams',
  `${STREAMS} streams again and again`,
  'opens streams without end',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        const stream = await openTo(member, target, '/ipfs/ping/1.0.0', signal);
        if (stream === undefined) continue;
        act();
        stream.onEnd(() => undefined);
        stream.abort(new Error('enough'));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  },
);

const slow = attack(
  'slow-streams',
  `${SLOW} streams that stop in the middle of a message`,
  'opens streams without end|offers records or grants',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const half = prefixed(new Uint8Array(1000)).subarray(0, 20);
    const open: PeerStream[] = [];
    while (!signal.aborted) {
      const protocol = PROTOCOLS[open.length % PROTOCOLS.length] ?? MCP;
      const stream = await openTo(member, target, protocol, signal);
      if (stream === undefined) continue;
      act();
      stream.write(half);
      open.push(stream);
      if (open.length > SLOW) open.shift()?.abort(new Error('enough'));
    }
    for (const stream of open) stream.abort(new Error('enough'));
  },
);

const huge = attack(
  'huge-frames',
  'frames that say they are huge, and messages that have no end',
  'breaks the protocols',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let count = 0;
    while (!signal.aborted) {
      const protocol = PROTOCOLS[count++ % PROTOCOLS.length] ?? MCP;
      const stream = await openTo(member, target, protocol, signal);
      if (stream === undefined) continue;
      // The length says 2 GiB; MCP between peers has lines, of which this is one without an end.
      if (protocol !== MCP) stream.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x07));
      const limit = AbortSignal.any([signal, AbortSignal.timeout(POURED_MS)]);
      await pour(stream, () => (act(), chunk), limit);
    }
  },
);

const records = attack(
  'made-up-records',
  'records that nobody has signed, without end',
  'offers records or grants',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const text = (type: string): string => {
      const part = (value: object): string =>
        Buffer.from(JSON.stringify(value)).toString('base64url');
      const did = `did:key:z6Mk${randomBytes(24).toString('hex')}`;
      const claims = {
        iss: did,
        aud: did,
        sub: did,
        jti: randomBytes(8).toString('hex'),
        exp: 4e9,
        cap: [],
      };
      return `${part({ alg: 'EdDSA', typ: type })}.${part(claims)}.${'A'.repeat(86)}`;
    };
    while (!signal.aborted) {
      const stream = await openTo(member, target, '/starling/records/1', signal);
      if (stream === undefined) continue;
      stream.write(prefixed(encode({ t: 'have', hashes: [] })));
      const next = (): Uint8Array => {
        const jws = Array.from({ length: 50 }, () => (act(), text('starling-grant+jwt')));
        return prefixed(encode({ t: 'records', jws }));
      };
      await pour(stream, next, signal);
    }
  },
);

const grants = attack(
  'made-up-grants',
  'grants that nobody has signed, presented without end',
  'offers records or grants',
  async (tools, member) => {
    const { target, signal, act } = tools;
    serveRecords(member);
    while (!signal.aborted) {
      const stream = await openTo(member, target, MCP, signal);
      if (stream === undefined) continue;
      const tokens = (): readonly string[] =>
        Array.from({ length: 100 }, () => `${randomBytes(300).toString('base64url')}.e30.AAAA`);
      stream.write(line({ id: 1, method: 'initialize', params: initialize() }));
      const next = (): Uint8Array => {
        act();
        return line({
          method: 'notifications/starling/grants',
          params: { grants: tokens(), revocations: tokens() },
        });
      };
      await pour(stream, next, signal);
    }
  },
);

/** In each look: nine tenths of what a member may do for ever, by kind. */
const NINE_TENTHS = { streams: 4, notices: 90, lists: 9 } as const;
const LOOK_MS = 100;

const everything = attack(
  'all-allowances',
  'nine tenths of several allowances at once: streams, lists, and messages that nobody has asked for',
  // Within its rights.
  undefined,
  async (tools, member) => {
    const { target, signal, act } = tools;
    serveRecords(member);
    const notice = line({ method: 'notifications/cancelled', params: { requestId: 4e9 } });
    const notices = Buffer.concat(Array.from({ length: NINE_TENTHS.notices }, () => notice));
    let session: PeerStream | undefined;
    let id = 1;
    while (!signal.aborted) {
      if (session === undefined) {
        const opened = await openTo(member, target, MCP, signal);
        if (opened === undefined) continue;
        opened.onEnd(() => (session = undefined));
        opened.onData(() => undefined);
        opened.write(line({ id: 1, method: 'initialize', params: initialize() }));
        session = opened;
      }
      session.write(notices);
      for (let count = 0; count < NINE_TENTHS.lists; count += 1) {
        session.write(line({ id: (id += 1), method: 'tools/list' }));
      }
      act();
      for (let count = 0; count < NINE_TENTHS.streams; count += 1) {
        const stream = await openTo(member, target, '/ipfs/ping/1.0.0', signal);
        stream?.onEnd(() => undefined);
        stream?.abort(new Error('enough'));
      }
      await pause(LOOK_MS, signal);
    }
    session?.abort(new Error('enough'));
  },
);

/** What members do on streams. */
export const streamAttacks: readonly Attack[] = [streams, slow, huge, records, grants, everything];
