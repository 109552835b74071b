/** One caller's session: its life, its ids, and what happens to its calls. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { ListedTool } from '../../../src/directory/index.ts';
import { resultBytes } from '../../../src/gateway/wire/frame.ts';
import { call, deskOf, openDesk, start } from '../support/session-bench.ts';
import type { Desk, Message } from '../support/session-bench.ts';

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
    desk.views.emit('change');
    expect(pagesOf(desk).map(({ tools }) => tools.length)).toEqual([1000]);
  });

  it('comes on more pages beyond, whole and in order', () => {
    const desk = openDesk();
    desk.tools = many(2500);
    desk.views.emit('change');
    const pages = pagesOf(desk);
    expect(pages.map(({ tools }) => tools.length)).toEqual([1000, 1000, 500]);
    expect(pages.flatMap(({ tools }) => tools)).toEqual(desk.tools);
  });

  it('comes on pages that stay below 4 MiB', () => {
    const desk = openDesk();
    desk.tools = many(10, 1_000_000);
    desk.views.emit('change');
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
    for (let change = 0; change < 5; change += 1) desk.views.emit('change');
    await desk.clock.advance(50);
    expect(desk.pushed).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    desk.tools = [];
    desk.views.emit('change');
    desk.tools = many(1);
    desk.views.emit('change');
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
    desk.views.emit('change');
    expect(list()).toMatchObject([{ result: { tools: many(1) } }]);
  });

  it('is not announced before initialize or after the end', async () => {
    const desk = deskOf();
    desk.tools = many(1);
    desk.views.emit('change');
    await desk.clock.advance(100);
    desk.ask(start());
    desk.tools = many(2);
    desk.views.emit('change');
    desk.session.end();
    await desk.clock.advance(100);
    expect(desk.pushed).toEqual([]);
    expect(desk.views.listenerCount('change')).toBe(0);
  });
});

describe('a call', () => {
  it('goes out under the channel’s id and the far name, and comes back under the caller’s', () => {
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
    const message = expect.stringContaining('it has the key "id" twice') as string;
    expect(heard).toMatchObject([{ id: 1, error: { message } }]);
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

  it('that is cancelled while its channel opens is never sent', async () => {
    const desk = openDesk();
    let opened: () => void = () => undefined;
    desk.open = (channel) =>
      new Promise((resolve) => {
        opened = () => resolve(channel);
      });
    const heard = desk.ask(call(1));
    desk.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    opened();
    await desk.clock.advance(1);
    expect(heard).toEqual([{ dropped: true }]);
    expect(desk.sent).toEqual([]);
  });

  it('whose channel can not be opened says why', async () => {
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
    desk.session.recheck();
    expect(heard).toEqual([]);
    desk.allow = false;
    desk.session.recheck();
    expect(heard).toMatchObject([
      { id: 1, error: { code: -32003, data: { code: 'STARLING_CALL_REFUSED' } } },
    ]);
    expect(desk.sent[1]).toMatchObject({ method: 'notifications/cancelled' });
    desk.answer({ id: desk.sent[0]?.['id'], result: {} });
    expect(heard).toHaveLength(1);
  });
});

describe('a session’s end', () => {
  it('cancels its calls, answers them, and closes its channels', () => {
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
