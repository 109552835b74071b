/** Sessions of the program that holds the node: shared by calls of peers' tools, and open for a while after them. */
import { expect, it } from 'vitest';
import { createOwnCalls } from '../../../../src/gateway/session/call/own-call.ts';
import type { Session } from '../../../../src/gateway/session/types.ts';
import type { Frame } from '../../../../src/gateway/frame-types.ts';
import type { Reply } from '../../../../src/gateway/wire/reply.ts';
import { createTestClock } from '../../../core/test-clock.ts';
import type { TestClock } from '../../../core/test-clock.ts';

/** How long a session stays open that nobody uses, ms. */
const IDLE_MS = 60_000;

/** A session that answers when the test says so. */
class HeldSession {
  readonly asked = new Map<unknown, Reply>();
  /** Arguments by id. */
  readonly params = new Map<unknown, unknown>();
  readonly abandoned: unknown[] = [];
  isEnded = false;

  receive(frame: Frame, reply: Reply): void {
    if (frame.kind !== 'request') return;
    this.asked.set(frame.id, reply);
    this.params.set(frame.id, frame.params['arguments']);
  }

  abandon(key: unknown): void {
    this.abandoned.push(key);
  }

  end(): void {
    this.isEnded = true;
  }

  answerAll(): void {
    for (const [id, reply] of this.asked) {
      reply.final(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result: { of: id } })));
    }
    this.asked.clear();
  }
}

function makeCalls(callsMax = 1000): {
  readonly opened: HeldSession[];
  readonly calls: ReturnType<typeof createOwnCalls>;
  readonly clock: TestClock;
} {
  const opened: HeldSession[] = [];
  const clock = createTestClock();
  const calls = createOwnCalls({
    open() {
      const session = new HeldSession();
      opened.push(session);
      return session as unknown as Session;
    },
    ended: () => undefined,
    poolOf: (name) =>
      name.startsWith('ada__') ? '@' : name.startsWith('starling__') ? name : undefined,
    callsMax,
    clock,
  });
  return { opened, calls, clock };
}

it('a thousand calls of a peer at once begin ten sessions, and each has its own answer', async () => {
  const { opened, calls, clock } = makeCalls();
  const under = Array.from({ length: 1000 }, () => calls.call('ada__search__web', {}, {}));
  expect(opened).toHaveLength(10);
  for (const session of opened) session.answerAll();
  const answers = await Promise.all(under);
  expect(new Set(answers.map(({ of }) => of)).size).toBe(1000);
  clock.advance(IDLE_MS);
  expect(opened.every(({ isEnded }) => isEnded)).toBe(true);
});

it('calls that follow one another use one session, which ends once nobody has used it for a minute', async () => {
  const { opened, calls, clock } = makeCalls();
  for (let at = 1; at <= 600; at += 1) {
    const answer = calls.call('ada__search__web', {}, {});
    opened[0]?.answerAll();
    await expect(answer).resolves.toEqual({ of: at });
    clock.advance(IDLE_MS - 1);
  }
  expect(opened).toMatchObject([{ isEnded: false }]);
  const long = calls.call('ada__search__web', {}, {});
  clock.advance(10 * IDLE_MS);
  expect(opened).toMatchObject([{ isEnded: false }]);
  opened[0]?.answerAll();
  await long;
  clock.advance(IDLE_MS);
  expect(opened).toMatchObject([{ isEnded: true }]);
  expect(clock.waiting()).toBe(0);
  const next = calls.call('ada__search__web', {}, {});
  expect(opened).toHaveLength(2);
  opened[1]?.answerAll();
  await next;
});

it('a stop ends what is open, and leaves no timer: also after a call that was under way then', async () => {
  const { opened, calls, clock } = makeCalls();
  const first = calls.call('ada__search__web', {}, {});
  opened[0]?.answerAll();
  await first;
  const under = Array.from({ length: 101 }, () => calls.call('ada__search__web', {}, {}));
  opened[1]?.answerAll();
  await under.at(-1);
  calls.stop();
  expect(opened).toMatchObject([{ isEnded: false }, { isEnded: true }]);
  opened[0]?.answerAll();
  await Promise.all(under);
  expect(opened).toMatchObject([{ isEnded: true }, { isEnded: true }]);
  const late = calls.call('ada__search__web', {}, {});
  opened[2]?.answerAll();
  await late;
  expect(opened[2]).toMatchObject({ isEnded: true });
  expect(clock.waiting()).toBe(0);
});

it('a call that is given up ends alone, and the session after the last one', async () => {
  const { opened, calls, clock } = makeCalls();
  const abort = new AbortController();
  const given = calls.call('ada__search__web', {}, { signal: abort.signal });
  const other = calls.call('ada__search__web', {}, {});
  abort.abort();
  await expect(given).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
  const [session] = opened;
  expect(opened).toHaveLength(1);
  expect(session).toMatchObject({ abandoned: [1], isEnded: false });
  session?.answerAll();
  await expect(other).resolves.toEqual({ of: 2 });
  clock.advance(IDLE_MS);
  expect(session?.isEnded).toBe(true);
});

it('calls of servers of this node have a session each', async () => {
  const { opened, calls } = makeCalls();
  const under = [1, 2].map(() => calls.call('files__read', {}, {}));
  expect(opened).toHaveLength(2);
  for (const session of opened) session.answerAll();
  await Promise.all(under);
  expect(opened.every(({ isEnded }) => isEnded)).toBe(true);
});

it('calls of one tool of the node share a session, and no two tools do', async () => {
  const { opened, calls, clock } = makeCalls();
  const call = async (name: string): Promise<void> => {
    const answer = calls.call(name, {}, {});
    for (const session of opened) session.answerAll();
    await answer;
  };
  for (let at = 0; at < 3; at += 1) await call('starling__agent_task');
  expect(opened).toHaveLength(1);
  await call('starling__approval_answer');
  expect(opened).toHaveLength(2);
  await call('notes__read');
  await call('notes__read');
  expect(opened.map(({ isEnded }) => isEnded)).toEqual([false, false, true, true]);
  clock.advance(IDLE_MS);
  expect(opened.every(({ isEnded }) => isEnded)).toBe(true);
  expect(clock.waiting()).toBe(0);
  calls.stop();
});

it('no session has more calls under way than one may have', async () => {
  const { opened, calls } = makeCalls(3);
  const under = Array.from({ length: 9 }, () => calls.call('starling__task_result', {}, {}));
  expect(opened.map(({ asked }) => asked.size)).toEqual([3, 3, 3]);
  for (const session of opened) session.answerAll();
  await Promise.all(under);
  calls.stop();
});

it('an answer of the node itself is taken as it is, and the arguments are those of the moment', async () => {
  const { opened, calls } = makeCalls();
  const args = { list: [1] };
  const answer = calls.call('starling__agent_task', args, {});
  args.list.push(2);
  const [session] = opened;
  const [[id, reply] = []] = session?.asked ?? [];
  expect(session?.params.get(id)).toEqual({ list: [1] });
  const result = { structuredContent: { taskId: 'task_1' } };
  reply?.finalResult?.(result);
  expect(await answer).toBe(result);
  calls.stop();
});

it('arguments that have no JSON end the call before there is a session for it', async () => {
  const { opened, calls, clock } = makeCalls();
  const count = 1n as never;
  await expect(calls.call('starling__agent_task', { count }, {})).rejects.toThrow(TypeError);
  expect(opened).toEqual([]);
  expect(clock.waiting()).toBe(0);
});
