/** Sessions of the program that holds the node: shared by calls of peers' tools that are under way together. */
import { expect, it } from 'vitest';
import { createOwnCalls } from '../../../src/gateway/session/own-call.ts';
import type { Session } from '../../../src/gateway/session/types.ts';
import type { Frame } from '../../../src/gateway/types.ts';
import type { Reply } from '../../../src/gateway/wire/reply.ts';

/** A session that answers when the test says so. */
class HeldSession {
  readonly asked = new Map<unknown, Reply>();
  readonly abandoned: unknown[] = [];
  isEnded = false;

  receive(frame: Frame, reply: Reply): void {
    if (frame.kind === 'request') this.asked.set(frame.id, reply);
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
  }
}

function makeCalls(): {
  readonly opened: HeldSession[];
  readonly calls: ReturnType<typeof createOwnCalls>;
} {
  const opened: HeldSession[] = [];
  const calls = createOwnCalls({
    open() {
      const session = new HeldSession();
      opened.push(session);
      return session as unknown as Session;
    },
    ended: () => undefined,
    isPeers: (name) => name.startsWith('ada__'),
  });
  return { opened, calls };
}

it('a thousand calls of a peer at once begin ten sessions, and each has its own answer', async () => {
  const { opened, calls } = makeCalls();
  const under = Array.from({ length: 1000 }, () => calls.call('ada__search__web', {}, {}));
  expect(opened).toHaveLength(10);
  for (const session of opened) session.answerAll();
  const answers = await Promise.all(under);
  expect(new Set(answers.map(({ of }) => of)).size).toBe(1000);
  expect(opened.every(({ isEnded }) => isEnded)).toBe(true);
});

it('a call that is given up ends alone, and the session with the last one', async () => {
  const { opened, calls } = makeCalls();
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
