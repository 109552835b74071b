/** A session whose views, servers and clock are the test's. */
import { EventEmitter } from 'node:events';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { ListedTool } from '../../../src/directory/index.ts';
import type { Clearance } from '../../../src/gateway/clearance/clearance.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { createChannel } from '../../../src/gateway/wire/channel.ts';
import type {
  Route,
  Views,
  ViewsEvents,
  ToolsMode,
  View,
} from '../../../src/gateway/catalog/types.ts';
import { createSearchMode } from '../../../src/gateway/catalog/search/mode.ts';
import { createSession } from '../../../src/gateway/session/session.ts';
import type { ChannelListener, ServerChannel } from '../../../src/gateway/channel-types.ts';
import type { SamplingFace } from '../../../src/gateway/inner-types.ts';
import { createLists } from '../../../src/gateway/catalog/lists.ts';
import { jointFacts } from '../../../src/gateway/catalog/server-facts.ts';
import { catalogOf } from '../../directory/arrange.ts';
import { manualClock } from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { createCallTasks } from '../../../src/gateway/call-tasks/call-tasks.ts';
import type { CallTasks } from '../../../src/gateway/call-tasks/types.ts';
import type { Session } from '../../../src/gateway/session/types.ts';

export type Message = Record<string, unknown>;

export interface SessionBench {
  readonly session: Session;
  readonly callTasks: CallTasks;
  readonly clock: ReturnType<typeof manualClock>;
  readonly views: EventEmitter<ViewsEvents>;
  readonly pushed: Message[];
  /** What the far end of the channel was sent. */
  readonly sent: Message[];
  /** Whose rights each call was cleared by. */
  readonly clearedFor: Principal[];
  /** Whose view was asked for last. */
  viewedBy: Principal | undefined;
  closed: boolean;
  tools: ListedTool[];
  toolsMode: ToolsMode;
  /** Servers that have each tool, in the order in which they are tried. */
  servers: readonly string[];
  /** Names of tools and prompts that are in no list. */
  unknown: Set<string>;
  /** Lists are on their way. */
  areListsComing: boolean;
  allow: boolean;
  /** Says why a request may not be taken. */
  admit: () => StarlingError | undefined;
  /** How each call is cleared; by default it is, and nobody is told of its end. */
  clear: Clearance['clear'] extends (call: never) => infer Cleared ? () => Cleared : never;
  /** How the channel is opened; by default it is open already. */
  open: (channel: ServerChannel, server: string) => ServerChannel | Promise<ServerChannel>;
  ask(message: object): Message[];
  answer(message: object): void;
  receiveFrom(text: string): void;
}

/** What differs from an operator whose client answers by itself. */
export interface SessionBenchInit {
  readonly principal?: Principal;
  /** Those of a bench before, whose session is over; with the clock of that. */
  readonly callTasks?: CallTasks;
  readonly clock?: SessionBench['clock'];
  readonly sampling?: SamplingFace;
}

export function benchOf(init: SessionBenchInit = {}): SessionBench {
  const { clock = manualClock(), principal = { kind: 'operator' }, sampling } = init;
  const {
    callTasks = createCallTasks({
      table: memoryTable(),
      peerOf: () => undefined,
      clock,
      logger: silentLogger,
    }),
  } = init;
  const views = new EventEmitter<ViewsEvents>();
  const [sent, pushed]: [Message[], Message[]] = [[], []];
  let listener: ChannelListener | undefined;
  const channel = createChannel(
    {
      send: (message) => void sent.push(JSON.parse(message.toString())),
      listener: {
        notification: (frame, related) => listener?.notification(frame, related),
        request: (frame, answer, related) => listener?.request(frame, answer, related),
      },
      clock,
      logger: silentLogger,
    },
    {
      title: "server 'x'",
      kind: 'server',
      callTimeoutMs: 60_000,
      callTotalMs: 3_600_000,
      callsMax: 100,
    },
  );
  const serverLink: ServerChannel = {
    relay: (relayed) => channel.relay(relayed),
    request: (method, params, options) => channel.request(method, params, options),
    notify: (method, params) => channel.notify(method, params),
    ended: new Promise(() => undefined),
    close: () => void (bench.closed = true),
  };
  const wanted = { resource: 'tool:x/y', ability: 'tool/call' };
  const routesOf = (name: string): readonly Route[] => {
    if (name === 'missing') throw new StarlingError('STARLING_TOOL_UNKNOWN', 'no such tool');
    if (bench.unknown.has(name)) {
      const obstacle = (): StarlingError => new StarlingError('STARLING_TOOL_UNKNOWN', 'unknown');
      return [{ target: { server: 'x' }, wanted, isUnknown: true, obstacle }];
    }
    return bench.servers.map((server) => ({
      target: { server },
      edits: { name: `far_${name}` },
      wanted,
      ...(bench.servers.length > 1 ? { mayRepeat: true } : {}),
    }));
  };
  const viewOf = (): View => {
    const sources = [{ catalog: catalogOf('x', { tools: bench.tools }) }];
    const [route = { target: { server: 'x' }, wanted }] = routesOf('x');
    return {
      lists: createLists(sources, { naming: 'plain' }),
      facts: jointFacts(sources, { serverInfo: { name: 'starling' }, instructions: 'do' }),
      catalogs: [],
      things: 0,
      toolsMode: bench.toolsMode,
      tool: routesOf,
      prompt(name) {
        if (bench.unknown.has(name)) throw new StarlingError('STARLING_USAGE', 'no such prompt');
        return route;
      },
      resource: () => bench.servers.map((server) => ({ target: { server }, wanted })),
      server(method) {
        throw new StarlingError('STARLING_USAGE', `unknown method ${method}`, {
          data: { rpc: -32_601 },
        });
      },
    };
  };
  const refused = (): StarlingError => new StarlingError('STARLING_CALL_REFUSED', 'no');
  const fake: Views = {
    events: views,
    view(principal) {
      bench.viewedBy = principal;
      return viewOf();
    },
    awaitsLists: () => bench.areListsComing,
    exists: () => true,
    configure: () => undefined,
    refresh: () => undefined,
    settled: async () => undefined,
    stop: () => undefined,
  };
  const session = createSession(
    {
      principal,
      ...(sampling === undefined ? {} : { sampling }),
      views: fake,
      channels: {
        open(target, init) {
          ({ listener } = init);
          return bench.open(serverLink, target.server);
        },
      },
      search: createSearchMode(),
      callTasks,
      clearance: {
        sees: () => true,
        clear({ wanted: { ability }, principal, obstacle }) {
          bench.clearedFor.push(principal);
          if (ability === 'resource/subscribe' && !bench.allow) throw refused();
          if (obstacle !== undefined) throw obstacle();
          return bench.clear();
        },
        check() {
          if (!bench.allow) throw refused();
        },
        refusalNow: () => (bench.allow ? undefined : refused()),
      },
      push: (message) => void pushed.push(JSON.parse(message.toString())),
      admit: () => bench.admit(),
      clock,
      logger: silentLogger,
    },
    { id: 'bench', spec: { kind: 'all' }, callsMax: 5, callTotalMs: 60_000, self: 'bench' },
  );
  const bench: SessionBench = {
    session,
    callTasks,
    clock,
    views,
    pushed,
    sent,
    clearedFor: [],
    viewedBy: undefined,
    closed: false,
    tools: [],
    toolsMode: 'all',
    servers: ['x'],
    unknown: new Set(),
    areListsComing: false,
    allow: true,
    admit: () => undefined,
    clear: () => ({ over: () => undefined }),
    open: (opened) => opened,
    ask(message) {
      const heard: Message[] = [];
      const hear = (bytes: Buffer): void => void heard.push(JSON.parse(bytes.toString()));
      session.receive(parseFrame(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))), {
        interim: hear,
        urgent: hear,
        final: hear,
        dropped: () => void heard.push({ dropped: true }),
      });
      return heard;
    },
    answer: (message) =>
      channel.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))),
    receiveFrom: (text) => channel.receive(Buffer.from(text)),
  };
  return bench;
}

export const start = (version: unknown = '2025-11-25'): object => ({
  id: 'init',
  method: 'initialize',
  params: { protocolVersion: version },
});
export const call = (id: string | number, name = 'tool', params: object = {}): object => ({
  id,
  method: 'tools/call',
  params: { name, ...params },
});

export function openBench(): SessionBench {
  const bench = benchOf();
  bench.ask(start());
  return bench;
}
