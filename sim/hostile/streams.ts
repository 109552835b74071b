/** What members do on streams of their own. */
import { randomBytes } from 'node:crypto';
import { encode } from 'cborg';
import type { PeerStream } from '../../src/testing.ts';
import { pause, turn } from './attack.ts';
import type { Attack, AttackTools } from './attack.ts';
import { heartbeat, openTo, pour } from './floods.ts';
import type { Member } from './member.ts';
import { prefixed } from './pubsub.ts';

const MCP = '/starling/mcp/1';
const STREAMS = 800;
const AT_ONCE = 32;
const SLOW = 450;
const TOOLS = 40_000;
/** Heartbeats that keep the member alive in the target's eyes. */
const HEARTBEAT_MS = 1000;
const PROTOCOLS = [
  MCP,
  '/starling/heartbeat/1',
  '/starling/records/1',
  '/starling/board/1',
  '/starling/audit/1',
  '/starling/probe/1',
];

function attack(
  name: string,
  title: string,
  run: (tools: AttackTools, member: Member) => Promise<void>,
): Attack {
  return {
    name,
    title: `member: ${title}`,
    run: async (tools) => run(tools, await tools.member()),
  };
}

const streams = attack(
  'member-streams',
  `${STREAMS} streams again and again`,
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
      const limit = AbortSignal.any([signal, AbortSignal.timeout(500)]);
      await pour(stream, () => (act(), chunk), limit);
    }
  },
);

const records = attack(
  'made-up-records',
  'records that nobody has signed, without end',
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
  async (tools, member) => {
    const { target, signal, act } = tools;
    const stopRecords = serveRecords(member);
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
    stopRecords();
  },
);

/** Without its records nobody opens a session at a member, or serves one. */
function serveRecords(member: Member): () => void {
  return member.network.handle('/starling/records/1', (stream) => {
    stream.onEnd(() => undefined);
    stream.onData(() => undefined);
    stream.write(prefixed(encode({ t: 'have', hashes: [] })));
    void stream.close();
  });
}

/** Serves whatever is asked on MCP streams that the target opens. */
function serveCatalog(
  member: Member,
  catalog: () => object,
  opened: (stream: PeerStream) => void,
): () => void {
  return member.network.handle(MCP, (stream) => {
    let rest = '';
    stream.onEnd(() => undefined);
    stream.onData((chunk) => {
      const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) {
        const { id, method } = JSON.parse(text) as { id?: number; method?: string };
        if (method === 'initialize')
          stream.write(
            line({ id, result: { ...initialize(), serverInfo: { name: 'm', version: '1' } } }),
          );
        else if (method === 'starling/catalog') stream.write(line({ id, result: catalog() }));
        else if (id !== undefined && method !== undefined) stream.write(line({ id, result: {} }));
      }
    });
    opened(stream);
  });
}

function catalogOf(count: number, version: number): object {
  const tools = Array.from({ length: count }, (_, at) => ({
    name: `tool_${at}`,
    description: `Does ${version}`,
    inputSchema: { type: 'object', properties: { path: { type: 'string' } } },
  }));
  const lists = { resources: [], templates: [], prompts: [] };
  return {
    servers: [{ server: 'many', capabilities: { tools: {} }, serverInfo: {}, tools, ...lists }],
  };
}

/** Shows `count` tools, which change each time that they are asked for, and tells of changes without end. */
function catalogs(name: string, title: string, count: number, everyMs: number): Attack {
  // Sessions that the target has opened last longer than one attack.
  const open = new Set<PeerStream>();
  return attack(name, title, async (tools, member) => {
    const { target, signal, act } = tools;
    let version = 0;
    const stop = serveCatalog(
      member,
      () => (act(), catalogOf(count, (version += 1))),
      (stream) => {
        open.add(stream);
        stream.onEnd(() => open.delete(stream));
      },
    );
    const stopRecords = serveRecords(member);
    let heardAt = 0;
    while (!signal.aborted) {
      if (Date.now() - heardAt > HEARTBEAT_MS) {
        heardAt = Date.now();
        const stream = await openTo(member, target, '/starling/heartbeat/1', signal);
        stream?.write(prefixed(heartbeat()));
        void stream?.close();
      }
      for (const stream of open) stream.write(line({ method: 'notifications/tools/list_changed' }));
      await (everyMs === 0 ? turn() : pause(everyMs, signal));
    }
    stop();
    stopRecords();
  });
}

function line(message: object): Uint8Array {
  return Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

function initialize(): object {
  return {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'm', version: '1' },
  };
}

/** What members do on streams. */
export const streamAttacks: readonly Attack[] = [
  streams,
  slow,
  huge,
  records,
  grants,
  catalogs('many-tools', `a catalog of ${TOOLS} tools that changes without end`, TOOLS, 20),
  catalogs('list-changes', 'news of a changed list without end', 3, 0),
];
