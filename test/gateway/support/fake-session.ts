/** Sessions for tests of transports: they do what a transport may meet, and remember what they were told. */
import { StarlingError } from '../../../src/core/index.ts';
import type { Clock, JsonObject } from '../../../src/core/index.ts';
import { notificationBytes, requestBytes, resultBytes } from '../../../src/gateway/wire/frame.ts';
import type { Session } from '../../../src/gateway/session/types.ts';
import type { Reply } from '../../../src/gateway/wire/reply.ts';
import type { Frame, FrameId, RequestFrame } from '../../../src/gateway/frame-types.ts';
import type { Principal } from '../../../src/guard/index.ts';

type Push = (message: Buffer) => void;

/** A session, and what it has seen. */
export interface FakeSession extends Session {
  readonly seen: Frame[];
  readonly isOver: boolean;
  /** Says something that answers no request. */
  push(message: Buffer): void;
  /** Answers the calls of `hang`. */
  release(): void;
}

/** All sessions of one test. */
export interface FakeSessions {
  readonly all: FakeSession[];
  /** Those that are open. */
  live(): readonly FakeSession[];
  /** The newest. */
  last(): FakeSession;
  open(principal: Principal, push: Push): Session;
  ended(session: Session): void;
}

export const OPERATOR: Principal = { kind: 'operator' };

/** At most `max` at a time; `clock` says when each was last used, or else they are as old as their place. */
export function fakeSessions(max = Number.POSITIVE_INFINITY, clock?: Clock): FakeSessions {
  const all: FakeSession[] = [];
  const ended = new Set<Session>();
  const live = (): readonly FakeSession[] => all.filter((session) => !ended.has(session));
  return {
    all,
    live,
    last() {
      const session = all.at(-1);
      if (session === undefined) throw new Error('no session was opened');
      return session;
    },
    open(principal, push) {
      if (live().length >= max) {
        const data = { limit: 'limits.sessions' };
        throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many sessions', { data });
      }
      const place = all.length;
      const session = fakeSession(principal, push, clock ?? { now: () => place });
      all.push(session);
      return session;
    },
    ended(session) {
      if (ended.has(session)) throw new Error('a session ended twice');
      ended.add(session);
    },
  };
}

/** A call that waits. */
interface Held {
  readonly id: FrameId;
  readonly reply: Reply;
}

function fakeSession(opener: Principal, push: Push, clock: Pick<Clock, 'now'>): FakeSession {
  const hanging = new Map<unknown, Held>();
  const seen: Frame[] = [];
  let asking: { readonly id: FrameId; readonly reply: Reply } | undefined;
  let idleListeners: (() => void)[] = [];
  let isOver = false;
  let activeAt = clock.now();
  let principal = opener;

  const tellIdle = (): void => {
    if (hanging.size > 0) return;
    for (const listener of idleListeners) listener();
    idleListeners = [];
  };
  const call = (frame: RequestFrame, reply: Reply, key: unknown): void => {
    const { id, params } = frame;
    const args = (params['arguments'] ?? {}) as JsonObject;
    const meta = (params['_meta'] ?? {}) as JsonObject;
    const progressToken = meta['progressToken'];
    const text = (words: string): void =>
      reply.final(resultBytes(id, { content: [{ type: 'text', text: words }] }));
    if (params['name'] === 'hang') hanging.set(key, { id, reply });
    else if (params['name'] === 'big') text('x'.repeat(Number(args['bytes'])));
    else if (params['name'] === 'steps') {
      for (const progress of [1, 2, 3]) {
        reply.interim(notificationBytes('notifications/progress', { progressToken, progress }));
      }
      text('done');
    } else if (params['name'] === 'ask') {
      asking = { id, reply };
      if (progressToken !== undefined) {
        reply.interim(notificationBytes('notifications/progress', { progressToken, progress: 1 }));
      }
      push(requestBytes('q', 'roots/list', {}));
    } else text(String(args['message']));
  };
  return {
    get principal() {
      return principal;
    },
    get activeAt() {
      return activeAt;
    },
    seen,
    push,
    get inFlight() {
      return hanging.size;
    },
    get isOver() {
      return isOver;
    },
    toolOf: () => undefined,
    originOf: () => undefined,
    receive(frame, reply, key) {
      seen.push(frame);
      activeAt = clock.now();
      if (frame.kind === 'response' && asking !== undefined) {
        const content = [{ type: 'text', text: JSON.stringify(frame.result ?? {}) }];
        asking.reply.final(resultBytes(asking.id, { content }));
        return;
      }
      if (frame.kind === 'notification' && frame.method === 'notifications/cancelled') {
        const id = frame.params['requestId'];
        hanging.get(id)?.reply.dropped();
        hanging.delete(id);
      }
      if (frame.kind !== 'request') return;
      const { id, method, params } = frame;
      if (method === 'tools/call') call(frame, reply, key ?? id);
      else if (method === 'tools/list') {
        const tools = [{ name: 'echo', inputSchema: { type: 'object' } }];
        reply.final(resultBytes(id, { tools }));
      } else if (method === 'initialize') {
        const { protocolVersion = null } = params;
        const serverInfo = { name: 'fake', version: '1' };
        reply.final(resultBytes(id, { protocolVersion, capabilities: { tools: {} }, serverInfo }));
      } else reply.final(resultBytes(id, {}));
    },
    abandon(key) {
      const held = hanging.get(key);
      hanging.delete(key);
      held?.reply.dropped();
      tellIdle();
    },
    present(shown) {
      principal = shown;
    },
    rename(named) {
      principal = named;
    },
    recheck: () => undefined,
    whenIdle(listener) {
      idleListeners.push(listener);
      tellIdle();
    },
    end() {
      isOver = true;
      hanging.clear();
      tellIdle();
    },
    release() {
      for (const { id, reply } of hanging.values())
        reply.final(resultBytes(id, { released: true }));
      hanging.clear();
      tellIdle();
    },
  };
}

/** A `tools/call`. */
export function call(id: string | number, name: string, args: JsonObject = {}): JsonObject {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } };
}

/** A `ping`. */
export function ping(id: string | number): JsonObject {
  return { jsonrpc: '2.0', id, method: 'ping' };
}
