/** One caller's session: its life, its ids, and what happens to its calls. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../src/core/index.ts';
import type { ListedTool } from '../../src/directory/index.ts';
import { parseFrame, resultBytes } from '../../src/gateway/frame.ts';
import { createLink } from '../../src/gateway/link.ts';
import type { Route, Router, RouterEvents, ToolsMode, View } from '../../src/gateway/router.ts';
import { createSession } from '../../src/gateway/session.ts';
import type { Session } from '../../src/gateway/session-types.ts';
import type { LinkEars, ServerLink } from '../../src/gateway/types.ts';
import { createLists, jointFacts } from '../../src/gateway/views.ts';
import { catalogOf } from '../directory/arrange.ts';
import { manualClock } from '../grants/arrange.ts';

type Message = Record<string, unknown>;

interface Desk {
  readonly session: Session;
  readonly clock: ReturnType<typeof manualClock>;
  readonly router: EventEmitter<RouterEvents>;
  readonly pushed: Message[];
  /** What the far end of the link was sent. */
  readonly sent: Message[];
  closed: boolean;
  tools: ListedTool[];
  toolsMode: ToolsMode;
  /** Servers that have each tool, in the order in which they are tried. */
  servers: readonly string[];
  allow: boolean;
  /** How the link is opened; by default it is open already. */
  open: (link: ServerLink, server: string) => ServerLink | Promise<ServerLink>;
  ask(message: object): Message[];
  answer(message: object): void;
  receiveFrom(text: string): void;
}

function deskOf(): Desk {
  const clock = manualClock();
  const router = new EventEmitter<RouterEvents>();
  const [sent, pushed]: [Message[], Message[]] = [[], []];
  let ears: LinkEars | undefined;
  const link = createLink(
    {
      send: (message) => void sent.push(JSON.parse(message.toString())),
      ears: {
        notification: (frame, related) => ears?.notification(frame, related),
        request: (frame, answer, related) => ears?.request(frame, answer, related),
      },
      clock,
      logger: silentLogger,
    },
    { title: "server 'x'", callTimeoutMs: 60_000, callTotalMs: 3_600_000, callsMax: 100 },
  );
  const serverLink: ServerLink = {
    relay: (relayed) => link.relay(relayed),
    request: (method, params, options) => link.request(method, params, options),
    notify: (method, params) => link.notify(method, params),
    ended: new Promise(() => undefined),
    close: () => void (desk.closed = true),
  };
  const wanted = { resource: 'tool:x/y', ability: 'tool/call' };
  const routesOf = (name: string): readonly Route[] => {
    if (name === 'missing') throw new StarlingError('STARLING_TOOL_UNKNOWN', 'no such tool');
    return desk.servers.map((server) => ({
      target: { server },
      edits: { name: `far_${name}` },
      wanted,
      ...(desk.servers.length > 1 ? { mayRepeat: true } : {}),
    }));
  };
  const viewOf = (): View => {
    const sources = [{ catalog: catalogOf('x', { tools: desk.tools }) }];
    const [route = { target: { server: 'x' } }] = routesOf('x');
    return {
      lists: createLists(sources, { naming: 'plain' }),
      facts: jointFacts(sources, { serverInfo: { name: 'starling' }, instructions: 'do' }),
      catalogs: [],
      toolsMode: desk.toolsMode,
      tool: routesOf,
      prompt: () => route,
      resource: () => desk.servers.map((server) => ({ target: { server } })),
      server(method) {
        throw new StarlingError('STARLING_USAGE', `unknown method ${method}`, {
          data: { rpc: -32_601 },
        });
      },
    };
  };
  const fake: Router = {
    events: router,
    view: viewOf,
    exists: () => true,
    configure: () => undefined,
    judge: () =>
      desk.allow
        ? { allow: true }
        : { allow: false, refusal: { rule: 'not-granted', text: 'no' }, hint: 'ask' },
    stop: () => undefined,
  };
  const session = createSession(
    {
      principal: { kind: 'operator' },
      router: fake,
      links: {
        open(target, init) {
          ({ ears } = init);
          return desk.open(serverLink, target.server);
        },
      },
      push: (message) => void pushed.push(JSON.parse(message.toString())),
      clock,
      logger: silentLogger,
    },
    { spec: { kind: 'all' }, callsMax: 5, callTotalMs: 60_000, self: 'desk' },
  );
  const desk: Desk = {
    session,
    clock,
    router,
    pushed,
    sent,
    closed: false,
    tools: [],
    toolsMode: 'all',
    servers: ['x'],
    allow: true,
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
    answer: (message) => link.receive(Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))),
    receiveFrom: (text) => link.receive(Buffer.from(text)),
  };
  return desk;
}

const start = (version: unknown = '2025-11-25'): object => ({
  id: 'init',
  method: 'initialize',
  params: { protocolVersion: version },
});
const call = (id: string | number, name = 'tool', params: object = {}): object => ({
  id,
  method: 'tools/call',
  params: { name, ...params },
});

function openDesk(): Desk {
  const desk = deskOf();
  desk.ask(start());
  return desk;
}

describe('a session’s beginning', () => {
  it.each([
    ['2024-11-05', '2024-11-05'],
    ['2025-03-26', '2025-03-26'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
    [undefined, '2025-11-25'],
    [7, '2025-11-25'],
  ])('answers version %s with %s', (asked, answered) => {
    const [answer] = deskOf().ask(start(asked));
    expect(answer).toMatchObject({
      id: 'init',
      result: {
        protocolVersion: answered,
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: 'starling' },
        instructions: 'do',
      },
    });
  });

  it('answers nothing but ping before initialize', () => {
    const desk = deskOf();
    expect(desk.ask({ id: 1, method: 'ping' })).toMatchObject([{ id: 1, result: {} }]);
    for (const method of ['tools/list', 'tools/call', 'other']) {
      expect(desk.ask({ id: 2, method })).toMatchObject([{ id: 2, error: { code: -32600 } }]);
    }
    expect(desk.sent).toEqual([]);
  });

  it('happens once', () => {
    expect(openDesk().ask(start())).toMatchObject([{ error: { code: -32600 } }]);
  });

  it('does not make it serve what it does not have', () => {
    const desk = openDesk();
    for (const method of ['resources/write', 'initialise', 'starling/catalog']) {
      expect(desk.ask({ id: 2, method })).toMatchObject([{ id: 2, error: { code: -32601 } }]);
    }
  });
});

describe('a list of tools', () => {
  const many = (count: number, size = 10): ListedTool[] =>
    Array.from({ length: count }, (_, index) => ({
      name: `t${index}`,
      description: 'd'.repeat(size),
    }));

  function pagesOf(desk: Desk): { tools: { name: string }[]; nextCursor?: string }[] {
    const pages = [];
    let cursor: string | undefined;
    do {
      const [answer] = desk.ask({ id: 1, method: 'tools/list', params: { cursor } });
      const page = answer?.['result'] as { tools: { name: string }[]; nextCursor?: string };
      pages.push(page);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return pages;
  }

  it('comes on one page up to 1000', () => {
    const desk = openDesk();
    desk.tools = many(1000);
    desk.router.emit('change');
    expect(pagesOf(desk).map(({ tools }) => tools.length)).toEqual([1000]);
  });

  it('comes on more pages beyond, whole and in order', () => {
    const desk = openDesk();
    desk.tools = many(2500);
    desk.router.emit('change');
    const pages = pagesOf(desk);
    expect(pages.map(({ tools }) => tools.length)).toEqual([1000, 1000, 500]);
    expect(pages.flatMap(({ tools }) => tools)).toEqual(desk.tools);
  });

  it('comes on pages that stay below 4 MiB', () => {
    const desk = openDesk();
    desk.tools = many(10, 1_000_000);
    desk.router.emit('change');
    expect(pagesOf(desk).map(({ tools }) => tools.length)).toEqual([4, 4, 2]);
  });

  it.each(['-1', '1', 'x', '', 3, '1e3', {}])('refuses the cursor %j', (cursor) => {
    const desk = openDesk();
    expect(desk.ask({ id: 1, method: 'tools/list', params: { cursor } })).toMatchObject([
      { error: { code: -32602 } },
    ]);
  });

  it('is announced once after a burst of changes, and not when it is the same again', async () => {
    const desk = openDesk();
    desk.tools = many(1);
    for (let change = 0; change < 5; change += 1) desk.router.emit('change');
    await desk.clock.advance(50);
    expect(desk.pushed).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    desk.tools = [];
    desk.router.emit('change');
    desk.tools = many(1);
    desk.router.emit('change');
    await desk.clock.advance(1000);
    expect(desk.pushed).toHaveLength(1);
  });

  it('is the list as it is now to a client that listens to nothing', () => {
    const desk = deskOf();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const list = (): Message[] => desk.ask({ id: 1, method: 'tools/list', params: { _meta } });
    expect(list()).toMatchObject([{ result: { tools: [] } }]);
    desk.tools = many(1);
    desk.router.emit('change');
    expect(list()).toMatchObject([{ result: { tools: many(1) } }]);
  });

  it('is not announced before initialize or after the end', async () => {
    const desk = deskOf();
    desk.tools = many(1);
    desk.router.emit('change');
    await desk.clock.advance(100);
    desk.ask(start());
    desk.tools = many(2);
    desk.router.emit('change');
    desk.session.end();
    await desk.clock.advance(100);
    expect(desk.pushed).toEqual([]);
    expect(desk.router.listenerCount('change')).toBe(0);
  });
});

describe('a call', () => {
  it('goes out under the link’s id and the far name, and comes back under the caller’s', () => {
    const desk = openDesk();
    const heard = desk.ask(call('mine', 'tool', { arguments: { a: 1 } }));
    expect(desk.sent).toMatchObject([{ params: { name: 'far_tool', arguments: { a: 1 } } }]);
    desk.answer({ id: desk.sent[0]?.['id'], result: { content: [], later: true } });
    expect(heard).toMatchObject([{ id: 'mine', result: { later: true } }]);
    expect(desk.session.inFlight).toBe(0);
  });

  it('tells ids that look alike apart', () => {
    const desk = openDesk();
    const [text, number] = [desk.ask(call('1')), desk.ask(call(1))];
    desk.answer({ id: desk.sent[1]?.['id'], result: { second: true } });
    desk.answer({ id: desk.sent[0]?.['id'], result: { first: true } });
    expect(text).toMatchObject([{ id: '1', result: { first: true } }]);
    expect(number).toMatchObject([{ id: 1, result: { second: true } }]);
  });

  it('with the id of one under way is refused, and the first goes on', () => {
    const desk = openDesk();
    const first = desk.ask(call(1));
    expect(desk.ask(call(1))).toMatchObject([{ id: 1, error: { code: -32600 } }]);
    desk.answer({ id: desk.sent[0]?.['id'], result: {} });
    expect(first).toMatchObject([{ id: 1, result: {} }]);
  });

  it('over the limit of calls is refused', () => {
    const desk = openDesk();
    for (let id = 0; id < 5; id += 1) desk.ask(call(id));
    expect(desk.ask(call(9))).toMatchObject([
      { id: 9, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
    ]);
  });

  it('without a name, or of an unknown tool, is refused', () => {
    const desk = openDesk();
    expect(desk.ask({ id: 1, method: 'tools/call', params: { name: 3 } })).toMatchObject([
      { error: { code: -32602 } },
    ]);
    expect(desk.ask(call(1, 'missing'))).toMatchObject([
      { error: { data: { code: 'STARLING_TOOL_UNKNOWN' } } },
    ]);
    expect(desk.session.inFlight).toBe(0);
  });

  it('passes progress on under the caller’s token, to the one who asked', () => {
    const desk = openDesk();
    const one = desk.ask(call(1, 'tool', { _meta: { progressToken: 'p' } }));
    const two = desk.ask(call(2, 'tool', { _meta: { progressToken: 'p' } }));
    const id = desk.sent[1]?.['id'];
    desk.answer({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } });
    expect(one).toEqual([]);
    expect(two).toMatchObject([{ params: { progressToken: 'p', progress: 1 } }]);
  });

  it('survives progress that repeats its keys', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1, 'tool', { _meta: { progressToken: 'p' } }));
    const id = String(desk.sent[0]?.['id']);
    desk.receiveFrom(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,"progressToken":${id}}}`,
    );
    desk.answer({ id: Number(id), result: {} });
    expect(heard).toMatchObject([{ id: 1, result: {} }]);
  });

  it('that answers with repeated keys ends in an error', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.receiveFrom(`{"jsonrpc":"2.0","id":0,"id":${String(desk.sent[0]?.['id'])},"result":{}}`);
    expect(heard).toMatchObject([{ id: 1, error: { code: -32600 } }]);
  });

  it('that is cancelled is cancelled at the far end, and its late answer is dropped', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    const id = desk.sent[0]?.['id'];
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 1, reason: 'enough' } });
    expect(desk.sent[1]).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: id, reason: 'enough' },
    });
    desk.answer({ id, result: {} });
    expect(heard).toEqual([{ dropped: true }]);
    const again = desk.ask(call(1));
    desk.answer({ id: desk.sent[2]?.['id'], result: { again: true } });
    expect(again).toMatchObject([{ id: 1, result: { again: true } }]);
  });

  it('that is cancelled while its link opens is never sent', async () => {
    const desk = openDesk();
    let opened: () => void = () => undefined;
    desk.open = (link) =>
      new Promise((resolve) => {
        opened = () => resolve(link);
      });
    const heard = desk.ask(call(1));
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    opened();
    await desk.clock.advance(1);
    expect(heard).toEqual([{ dropped: true }]);
    expect(desk.sent).toEqual([]);
  });

  it('whose link can not be opened says why', async () => {
    const desk = openDesk();
    desk.open = () => Promise.reject(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
    const heard = desk.ask(call(1));
    await desk.clock.advance(1);
    await Promise.resolve();
    expect(heard).toMatchObject([
      { id: 1, error: { data: { code: 'STARLING_PEER_UNREACHABLE' } } },
    ]);
  });

  it('that nobody answers ends after its timeout', async () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    await desk.clock.advance(61_000);
    expect(heard).toMatchObject([{ id: 1, error: { data: { code: 'STARLING_TIMEOUT' } } }]);
    expect(desk.session.inFlight).toBe(0);
  });
});

describe('a change of grants', () => {
  it('ends a call that is no longer allowed, with the refusal', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    desk.session.rejudge();
    expect(heard).toEqual([]);
    desk.allow = false;
    desk.session.rejudge();
    expect(heard).toMatchObject([
      { id: 1, error: { code: -32003, data: { code: 'STARLING_CALL_REFUSED', hint: 'ask' } } },
    ]);
    expect(desk.sent[1]).toMatchObject({ method: 'notifications/cancelled' });
    desk.answer({ id: desk.sent[0]?.['id'], result: {} });
    expect(heard).toHaveLength(1);
  });
});

describe('a session’s end', () => {
  it('cancels its calls, answers them, and closes its links', () => {
    const desk = openDesk();
    const heard = desk.ask(call(1));
    let idle = 0;
    desk.session.whenIdle(() => void (idle += 1));
    expect(idle).toBe(0);
    desk.session.end();
    desk.session.end();
    expect(heard).toMatchObject([{ id: 1, error: { data: { code: 'STARLING_STOPPED' } } }]);
    expect(desk.sent[1]).toMatchObject({ method: 'notifications/cancelled' });
    expect(desk.closed).toBe(true);
    expect(idle).toBe(1);
    expect(desk.ask(call(2))).toEqual([{ dropped: true }]);
  });

  it('answers with the bytes of the far end where nothing is to change', () => {
    expect(resultBytes(1, {}).toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
  });
});
