/** The lines of `/starling/mcp/1`: an MCP session between two nodes, and what rides in its `_meta`. */
import { EventEmitter } from 'node:events';
import { silentLogger } from '../../src/core/index.ts';
import type { Did, JsonObject } from '../../src/core/index.ts';
import { createPeerTransport } from '../../src/gateway/transports/libp2p.ts';
import { openPeerChannel } from '../../src/gateway/upstreams/peer.ts';
import { notificationBytes, resultBytes } from '../../src/gateway/wire/frame.ts';
import { createPeerAllowances } from '../../src/gateway/wire/peers/peer-allowances.ts';
import type { GrantBook } from '../../src/grants/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork, fakeStream } from './fake-stream.ts';
import type { FakeStream } from './fake-stream.ts';
import type { WireCase } from './world.ts';

const MCP_PROTOCOL = '/starling/mcp/1';
const [caller, owner] = [3, 2].map((byte) => createIdentity(new Uint8Array(32).fill(byte))) as [
  ReturnType<typeof createIdentity>,
  ReturnType<typeof createIdentity>,
];
const clock = createTestClock();
const PEER = { peerId: owner.peerId, did: owner.did, alias: 'workstation' } as PeerView;
const lines = (count: number) => (bytes: Buffer) =>
  bytes.toString('utf8').split('\n').length > count;

/** A node that calls `files` of a peer for its client, up to its first line. */
async function callingNode(): Promise<{
  readonly stream: FakeStream;
  readonly received: string[];
  readonly opened: Promise<unknown>;
  readonly presentAgain: () => void;
}> {
  const network = fakeNetwork(caller.peerId);
  const received: string[] = [];
  const presenters = new Set<() => void>();
  let grants = ['first.grant.sig'];
  const book = {
    toPresent: () => grants,
    received: () => [],
    chainOf: () => [],
    async receive(texts: readonly string[]) {
      received.push(...texts);
      return [];
    },
    verified: 0,
  } as unknown as GrantBook;
  const opened = openPeerChannel(
    {
      network,
      membership: { inStep: () => undefined },
      grants: book,
      allowances: createPeerAllowances({ clock, network }),
      presenters,
      clock,
      logger: silentLogger,
    },
    { messageBytes: 1024 * 1024, callTimeoutMs: 1000, callTotalMs: 1000, callsMax: 10 },
    PEER,
    {
      notification: () => undefined,
      server: 'files',
      client: { capabilities: { roots: {} }, clientInfo: { name: 'editor', version: '9' } },
      certificate: 'certificate.of.caller',
    },
  );
  await Promise.resolve();
  const stream = network.opened.find(({ protocol }) => protocol === MCP_PROTOCOL)?.stream;
  if (stream === undefined) throw new Error('no stream was opened');
  await stream.wrote(lines(1));
  return {
    stream,
    received,
    opened,
    presentAgain() {
      grants = ['first.grant.sig', 'second.grant.sig'];
      for (const presenter of presenters) presenter();
    },
  };
}

/** An owner whose peer has opened a session. */
function servingNode(): {
  readonly stream: FakeStream;
  readonly seen: { readonly presented: string[]; spec?: unknown; meta?: JsonObject };
  readonly changed: () => void;
} {
  const network = fakeNetwork(owner.peerId);
  const events = new EventEmitter();
  const seen: { presented: string[]; spec?: unknown; meta?: JsonObject } = { presented: [] };
  const book = {
    events,
    present(_: Did, texts: readonly string[]) {
      seen.presented.push(...texts);
      return [];
    },
    issuedTo: () => ['issued.to.caller'],
    revocations: () => [{ jws: 'a.revocation.sig' }],
    forget: () => undefined,
    verified: 0,
  } as unknown as GrantBook;
  const transport = createPeerTransport(
    {
      self: owner.did,
      network,
      membership: {
        events: new EventEmitter() as never,
        peer: () => PEER,
        inStep: () => undefined,
      },
      grants: book,
      allowances: createPeerAllowances({ clock, network }),
      audit: { note: () => undefined },
      open: (own) =>
        ({
          principal: own.principal,
          receive(frame: { readonly kind: string; readonly params: JsonObject }) {
            if (frame.kind === 'request') {
              const { meta, spec } = own.initializing?.(frame.params) ?? {};
              Object.assign(seen, { spec, meta });
            } else own.notification?.(frame as never);
          },
          recheck: () => undefined,
          end: () => undefined,
        }) as never,
      ended: () => undefined,
      clock,
      logger: silentLogger,
    },
    { messageBytes: 1024 * 1024 },
  );
  transport.start();
  const stream = fakeStream(caller.peerId);
  network.handlers.get(MCP_PROTOCOL)?.(stream);
  return { stream, seen, changed: () => void events.emit('change', caller.did) };
}

/** The first line of a caller; its certificate is not one, which is for other tests. */
function withoutBehalf(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes).toString('utf8');
  return Buffer.from(text.replace(',"starling/on-behalf-of":"certificate.of.caller"', ''));
}

const answer = (): Buffer =>
  Buffer.concat([
    resultBytes(1, {
      protocolVersion: '2025-11-25',
      capabilities: {},
      serverInfo: { name: 'starling', version: '0.1.0' },
      _meta: { 'starling/grants': ['issued.to.caller'] },
    }),
    Buffer.from('\n'),
  ]);

/** The cases of a session between nodes. */
export const MCP_CASES: readonly WireCase[] = [
  {
    file: 'mcp',
    title: 'the first line of a caller',
    kind: 'text',
    write: async () => (await callingNode()).stream.written(),
    async read(bytes) {
      const { stream, seen } = servingNode();
      stream.push(withoutBehalf(bytes));
      return { presented: seen.presented, spec: seen.spec, meta: seen.meta };
    },
    value: {
      presented: ['first.grant.sig'],
      spec: { kind: 'server', server: 'files' },
      meta: { 'starling/grants': ['issued.to.caller'], 'starling/asks-all': true },
    },
  },
  {
    file: 'mcp',
    title: 'the answer of the owner, of which the _meta is ours',
    kind: 'text',
    write: answer,
    async read(bytes) {
      const { stream, received, opened } = await callingNode();
      stream.push(bytes);
      await opened;
      return received;
    },
    value: ['issued.to.caller'],
  },
  {
    file: 'mcp',
    title: 'a caller that has received a grant since',
    kind: 'text',
    async write() {
      const { stream, opened, presentAgain } = await callingNode();
      stream.push(answer());
      await opened;
      const before = (await stream.wrote(lines(2))).length;
      presentAgain();
      return (await stream.wrote(lines(3))).subarray(before);
    },
    async read(bytes) {
      const { stream, seen } = servingNode();
      stream.push(bytes);
      return seen.presented;
    },
    value: ['first.grant.sig', 'second.grant.sig'],
  },
  {
    file: 'mcp',
    title: 'an owner whose grants to the caller have changed',
    kind: 'text',
    async write() {
      const { stream, changed } = servingNode();
      // There is a session from the first whole message on.
      stream.push(
        Buffer.concat([notificationBytes('notifications/initialized'), Buffer.from('\n')]),
      );
      changed();
      return stream.wrote(lines(1));
    },
    async read(bytes) {
      const { stream, received, opened } = await callingNode();
      stream.push(answer());
      await opened;
      stream.push(bytes);
      return received;
    },
    value: ['issued.to.caller', 'issued.to.caller'],
  },
];
