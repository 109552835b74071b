/** One caller's session: its life, its ids, and what happens to its calls. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { ListedTool } from '../../../src/directory/index.ts';
import { resultBytes } from '../../../src/gateway/wire/frame.ts';
import { call, benchOf, openBench, start } from '../support/session-bench.ts';
import type { SessionBench, Message } from '../support/session-bench.ts';

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
    const [answer] = benchOf().ask(start(asked));
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
    const bench = benchOf();
    expect(bench.ask({ id: 1, method: 'ping' })).toMatchObject([{ id: 1, result: {} }]);
    for (const method of ['tools/list', 'tools/call', 'other']) {
      expect(bench.ask({ id: 2, method })).toMatchObject([{ id: 2, error: { code: -32600 } }]);
    }
    expect(bench.sent).toEqual([]);
  });

  it('happens once', () => {
    expect(openBench().ask(start())).toMatchObject([{ error: { code: -32600 } }]);
  });

  it('does not make it serve what it does not have', () => {
    const bench = openBench();
    for (const method of ['resources/write', 'initialise', 'starling/catalog']) {
      expect(bench.ask({ id: 2, method })).toMatchObject([{ id: 2, error: { code: -32601 } }]);
    }
  });
});

describe('a list of tools', () => {
  const many = (count: number, size = 10): ListedTool[] =>
    Array.from({ length: count }, (_, index) => ({
      name: `t${index}`,
      description: 'd'.repeat(size),
    }));

  function pagesOf(bench: SessionBench): { tools: { name: string }[]; nextCursor?: string }[] {
    const pages = [];
    let cursor: string | undefined;
    do {
      const [answer] = bench.ask({ id: 1, method: 'tools/list', params: { cursor } });
      const page = answer?.['result'] as { tools: { name: string }[]; nextCursor?: string };
      pages.push(page);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return pages;
  }

  it('comes on one page up to 1000', () => {
    const bench = openBench();
    bench.tools = many(1000);
    bench.views.emit('change');
    expect(pagesOf(bench).map(({ tools }) => tools.length)).toEqual([1000]);
  });

  it('comes on more pages beyond, whole and in order', () => {
    const bench = openBench();
    bench.tools = many(2500);
    bench.views.emit('change');
    const pages = pagesOf(bench);
    expect(pages.map(({ tools }) => tools.length)).toEqual([1000, 1000, 500]);
    expect(pages.flatMap(({ tools }) => tools)).toEqual(bench.tools);
  });

  it('comes on pages that stay below 4 MiB', () => {
    const bench = openBench();
    bench.tools = many(10, 1_000_000);
    bench.views.emit('change');
    expect(pagesOf(bench).map(({ tools }) => tools.length)).toEqual([4, 4, 2]);
  });

  it.each(['-1', '1', 'x', '', 3, '1e3', {}])('refuses the cursor %j', (cursor) => {
    const bench = openBench();
    expect(bench.ask({ id: 1, method: 'tools/list', params: { cursor } })).toMatchObject([
      { error: { code: -32602 } },
    ]);
  });

  it('is announced once after a burst of changes, and not when it is the same again', async () => {
    const bench = openBench();
    bench.tools = many(1);
    for (let change = 0; change < 5; change += 1) bench.views.emit('change');
    await bench.clock.advance(50);
    expect(bench.pushed).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }]);
    bench.tools = [];
    bench.views.emit('change');
    bench.tools = many(1);
    bench.views.emit('change');
    await bench.clock.advance(1000);
    expect(bench.pushed).toHaveLength(1);
  });

  it('is the list as it is now to a client that listens to nothing', () => {
    const bench = benchOf();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const list = (): Message[] => bench.ask({ id: 1, method: 'tools/list', params: { _meta } });
    expect(list()).toMatchObject([{ result: { tools: [] } }]);
    bench.tools = many(1);
    bench.views.emit('change');
    expect(list()).toMatchObject([{ result: { tools: many(1) } }]);
  });

  it('is not announced before initialize or after the end', async () => {
    const bench = benchOf();
    bench.tools = many(1);
    bench.views.emit('change');
    await bench.clock.advance(100);
    bench.ask(start());
    bench.tools = many(2);
    bench.views.emit('change');
    bench.session.end();
    await bench.clock.advance(100);
    expect(bench.pushed).toEqual([]);
    expect(bench.views.listenerCount('change')).toBe(0);
  });
});

describe('a call', () => {
  it('goes out under the channel’s id and the far name, and comes back under the caller’s', () => {
    const bench = openBench();
    const heard = bench.ask(call('mine', 'tool', { arguments: { a: 1 } }));
    expect(bench.sent).toMatchObject([{ params: { name: 'far_tool', arguments: { a: 1 } } }]);
    bench.answer({ id: bench.sent[0]?.['id'], result: { content: [], later: true } });
    expect(heard).toMatchObject([{ id: 'mine', result: { later: true } }]);
    expect(bench.session.inFlight).toBe(0);
  });

  it('tells ids that look alike apart', () => {
    const bench = openBench();
    const [text, number] = [bench.ask(call('1')), bench.ask(call(1))];
    bench.answer({ id: bench.sent[1]?.['id'], result: { second: true } });
    bench.answer({ id: bench.sent[0]?.['id'], result: { first: true } });
    expect(text).toMatchObject([{ id: '1', result: { first: true } }]);
    expect(number).toMatchObject([{ id: 1, result: { second: true } }]);
  });

  it('with the id of one under way is refused, and the first goes on', () => {
    const bench = openBench();
    const first = bench.ask(call(1));
    expect(bench.ask(call(1))).toMatchObject([{ id: 1, error: { code: -32600 } }]);
    bench.answer({ id: bench.sent[0]?.['id'], result: {} });
    expect(first).toMatchObject([{ id: 1, result: {} }]);
  });

  it('over the limit of calls is refused', () => {
    const bench = openBench();
    for (let id = 0; id < 5; id += 1) bench.ask(call(id));
    expect(bench.ask(call(9))).toMatchObject([
      { id: 9, error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } },
    ]);
  });

  it('without a name, or of an unknown tool, is refused', () => {
    const bench = openBench();
    expect(bench.ask({ id: 1, method: 'tools/call', params: { name: 3 } })).toMatchObject([
      { error: { code: -32602 } },
    ]);
    expect(bench.ask(call(1, 'missing'))).toMatchObject([
      { error: { data: { code: 'STARLING_TOOL_UNKNOWN' } } },
    ]);
    expect(bench.session.inFlight).toBe(0);
  });

  it('passes progress on under the caller’s token, to the one who asked', () => {
    const bench = openBench();
    const one = bench.ask(call(1, 'tool', { _meta: { progressToken: 'p' } }));
    const two = bench.ask(call(2, 'tool', { _meta: { progressToken: 'p' } }));
    const id = bench.sent[1]?.['id'];
    bench.answer({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } });
    expect(one).toEqual([]);
    expect(two).toMatchObject([{ params: { progressToken: 'p', progress: 1 } }]);
  });

  it('survives progress that repeats its keys', () => {
    const bench = openBench();
    const heard = bench.ask(call(1, 'tool', { _meta: { progressToken: 'p' } }));
    const id = String(bench.sent[0]?.['id']);
    bench.receiveFrom(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,"progressToken":${id}}}`,
    );
    bench.answer({ id: Number(id), result: {} });
    expect(heard).toMatchObject([{ id: 1, result: {} }]);
  });

  it('that answers with repeated keys ends in an error', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.receiveFrom(`{"jsonrpc":"2.0","id":0,"id":${String(bench.sent[0]?.['id'])},"result":{}}`);
    const message = expect.stringContaining('it has the key "id" twice') as string;
    expect(heard).toMatchObject([{ id: 1, error: { message } }]);
  });

  it('that is cancelled is cancelled at the far end, and its late answer is dropped', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    const id = bench.sent[0]?.['id'];
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 1, reason: 'enough' } });
    expect(bench.sent[1]).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: id, reason: 'enough' },
    });
    bench.answer({ id, result: {} });
    expect(heard).toEqual([{ dropped: true }]);
    const again = bench.ask(call(1));
    bench.answer({ id: bench.sent[2]?.['id'], result: { again: true } });
    expect(again).toMatchObject([{ id: 1, result: { again: true } }]);
  });

  it('that is cancelled while its channel opens is never sent', async () => {
    const bench = openBench();
    let opened: () => void = () => undefined;
    bench.open = (channel) =>
      new Promise((resolve) => {
        opened = () => resolve(channel);
      });
    const heard = bench.ask(call(1));
    bench.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
    opened();
    await bench.clock.advance(1);
    expect(heard).toEqual([{ dropped: true }]);
    expect(bench.sent).toEqual([]);
  });

  it('whose channel can not be opened says why', async () => {
    const bench = openBench();
    bench.open = () => Promise.reject(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
    const heard = bench.ask(call(1));
    await bench.clock.advance(1);
    await Promise.resolve();
    expect(heard).toMatchObject([
      { id: 1, error: { data: { code: 'STARLING_PEER_UNREACHABLE' } } },
    ]);
  });

  it('that nobody answers ends after its timeout', async () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    await bench.clock.advance(61_000);
    expect(heard).toMatchObject([{ id: 1, error: { data: { code: 'STARLING_TIMEOUT' } } }]);
    expect(bench.session.inFlight).toBe(0);
  });
});

describe('a change of grants', () => {
  it('ends a call that is no longer allowed, with the refusal', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    bench.session.recheck();
    expect(heard).toEqual([]);
    bench.allow = false;
    bench.session.recheck();
    expect(heard).toMatchObject([
      { id: 1, error: { code: -32003, data: { code: 'STARLING_CALL_REFUSED' } } },
    ]);
    expect(bench.sent[1]).toMatchObject({ method: 'notifications/cancelled' });
    bench.answer({ id: bench.sent[0]?.['id'], result: {} });
    expect(heard).toHaveLength(1);
  });
});

describe('a session’s end', () => {
  it('cancels its calls, answers them, and closes its channels', () => {
    const bench = openBench();
    const heard = bench.ask(call(1));
    let idle = 0;
    bench.session.whenIdle(() => void (idle += 1));
    expect(idle).toBe(0);
    bench.session.end();
    bench.session.end();
    expect(heard).toMatchObject([{ id: 1, error: { data: { code: 'STARLING_STOPPED' } } }]);
    expect(bench.sent[1]).toMatchObject({ method: 'notifications/cancelled' });
    expect(bench.closed).toBe(true);
    expect(idle).toBe(1);
    expect(bench.ask(call(2))).toEqual([{ dropped: true }]);
  });

  it('answers with the bytes of the far end where nothing is to change', () => {
    expect(resultBytes(1, {}).toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{}}');
  });
});
