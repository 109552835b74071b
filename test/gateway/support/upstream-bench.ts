/** One upstream server on its own, a real process, with callers that speak for themselves. */
import { resolve } from 'node:path';
import { afterAll } from 'vitest';
import type { StdioServer, UsableServer } from '../../../src/config/index.ts';
import { Secret, createHealth, silentLogger } from '../../../src/core/index.ts';
import type { Clock, Health, JsonObject, StarlingError } from '../../../src/core/index.ts';
import { META } from '../../../src/gateway/wire/era.ts';
import { parseFrame, resultBytes } from '../../../src/gateway/wire/frame.ts';
import type { Answer, ChannelCall, ServerChannel } from '../../../src/gateway/channel-types.ts';
import type {
  Frame,
  FrameError,
  NotificationFrame,
  RequestFrame,
} from '../../../src/gateway/frame-types.ts';
import { createManagedUpstream } from '../../../src/gateway/upstreams/managed-upstream.ts';
import type {
  ManagedUpstreamInit,
  ManagedUpstream,
} from '../../../src/gateway/upstreams/managed-upstream.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { defer } from './gateways.ts';

/** A clock that runs, and that a test can move on. */
export interface LeapingClock extends Clock {
  leap(ms: number): Promise<void>;
  /** Timers that wait. */
  waiting(): number;
}

/** Time goes by itself, and by `leap`. */
export function leapingClock(): LeapingClock {
  let offsetMs = 0;
  const timers = new Set<{ readonly dueMs: number; run(): void }>();
  const now = (): number => Date.now() + offsetMs;
  return {
    now,
    schedule(delayMs, task) {
      const timer = {
        dueMs: now() + delayMs,
        run() {
          if (!timers.delete(timer)) return;
          clearTimeout(handle);
          task();
        },
      };
      const handle = setTimeout(() => timer.run(), delayMs);
      timers.add(timer);
      return () => {
        clearTimeout(handle);
        timers.delete(timer);
      };
    },
    async leap(ms) {
      const endMs = now() + ms;
      for (;;) {
        const [next] = [...timers]
          .filter((timer) => timer.dueMs <= endMs)
          .sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        offsetMs = Math.max(offsetMs, next.dueMs - Date.now());
        next.run();
        await new Promise((done) => setImmediate(done));
      }
      offsetMs = endMs - Date.now();
    },
    waiting: () => timers.size,
  };
}

export interface UpstreamBench {
  readonly upstream: ManagedUpstream;
  readonly clock: LeapingClock;
  readonly health: Health;
  /** For how long timers were set since `fromMs`. */
  waitsFrom(fromMs: number): readonly number[];
  /** How often its state or lists changed. */
  changes(): number;
}

/** What differs from a server that speaks both eras. */
export interface BenchInit extends Partial<ManagedUpstreamInit> {
  readonly eras?: 'legacy' | 'modern' | 'both';
  readonly server?: Partial<StdioServer>;
  /** Another server in place of the process of `session-server.mjs`. */
  readonly config?: UsableServer;
  /** Start it at once, and wait until it is listed; default true. */
  readonly start?: boolean;
}

/** The server of `session-server.mjs`, kept. Ends with the test, or when `atEnd` says so. */
export async function upstreamBench(
  init: BenchInit = {},
  atEnd: (end: () => unknown) => void = defer,
): Promise<UpstreamBench> {
  const { eras = 'legacy', server, config, start = true, ...bounds } = init;
  const clock = leapingClock();
  const waits: { readonly atMs: number; readonly delayMs: number }[] = [];
  const noting: Clock = {
    now: () => clock.now(),
    schedule(delayMs, task) {
      waits.push({ atMs: clock.now(), delayMs });
      return clock.schedule(delayMs, task);
    },
  };
  const health = createHealth();
  let changes = 0;
  const upstream = createManagedUpstream(
    'far',
    config ?? {
      type: 'stdio',
      command: process.execPath,
      args: [resolve(import.meta.dirname, 'session-server.mjs')],
      env: { ERAS: new Secret(eras) },
      timeoutMs: 20_000,
      shared: false,
      peerRoots: false,
      idleMs: 600_000,
      ...server,
    },
    {
      clock: noting,
      random: () => 0.5,
      logger: silentLogger,
      health,
      credentials: undefined,
      changed: () => void (changes += 1),
    },
    {
      messageBytes: 1024 * 1024,
      callTotalMs: 3_600_000,
      callsMax: 100,
      catalog: { tools: 1000, bytes: 1024 * 1024 },
      instancesMax: 10,
      startTimeoutMs: 60_000,
      ...bounds,
    },
  );
  atEnd(() => upstream.stop());
  if (start) {
    upstream.start();
    await upstream.settled;
  }
  return {
    upstream,
    clock,
    health,
    changes: () => changes,
    waitsFrom: (fromMs) => waits.filter(({ atMs }) => atMs >= fromMs).map(({ delayMs }) => delayMs),
  };
}

export const ALICE: Principal = { kind: 'client', name: 'alice', scopes: ['*'] };
export const BOB: Principal = { kind: 'client', name: 'bob', scopes: ['*'] };

/** How a call ended. */
export interface Ending {
  readonly result?: JsonObject;
  readonly error?: FrameError;
  readonly failed?: StarlingError;
}

/** A question of the server to its client. */
export interface Question {
  readonly frame: RequestFrame;
  readonly answer: Answer;
}

/** A session's channel to the server, and what comes by it. */
export interface Caller {
  readonly channel: ServerChannel;
  readonly heard: NotificationFrame[];
  readonly asked: Question[];
  /** Sends a request of the old era. */
  send(method: string, params?: JsonObject): Sent;
  /** Sends a request of the new era, with its client's capabilities. */
  sendModern(method: string, params?: JsonObject, init?: ModernInit): Sent;
  /** The JSON that a tool answered with. */
  tool(name: string, args?: JsonObject): Promise<unknown>;
  modernTool(name: string, args?: JsonObject, init?: ModernInit): Promise<unknown>;
  /** Answers the next question with `result`; waits for it. */
  answer(result: JsonObject): Promise<RequestFrame>;
}

/** What a modern request says of its client. */
export interface ModernInit {
  readonly capabilities?: JsonObject;
  readonly logLevel?: string;
}

/** A request under way. */
export interface Sent {
  readonly ending: Promise<Ending>;
  /** Notifications that came with it. */
  readonly with: NotificationFrame[];
  readonly call: ChannelCall;
}

/** Opens a channel for a session of `principal`, whose client declared `capabilities`. */
export function callerOf(
  { upstream }: UpstreamBench,
  init: { readonly principal?: Principal; readonly capabilities?: JsonObject } = {},
): Caller {
  const { principal = ALICE, capabilities = {} } = init;
  const heard: NotificationFrame[] = [];
  const asked: Question[] = [];
  let wake = (): void => undefined;
  const channel = upstream.open({
    principal,
    client: { capabilities, clientInfo: { name: 'test', version: '1' } },
    listener: {
      notification: (frame) => void heard.push(frame),
      request(frame, answer) {
        asked.push({ frame, answer });
        wake();
      },
    },
  });
  let lastId = 0;
  const send = (method: string, params: JsonObject = {}): Sent => {
    lastId += 1;
    const message = { jsonrpc: '2.0', id: `own ${lastId}`, method, params };
    const request = requestOf(message);
    const came: NotificationFrame[] = [];
    let call: ChannelCall = { cancel: () => undefined };
    const ending = new Promise<Ending>((done) => {
      call = channel.relay({
        request,
        principal,
        response: ({ result, error }) =>
          done(error === undefined ? { result: result ?? {} } : { error }),
        progress: (frame) => void came.push(frame),
        notification: (frame) => void came.push(frame),
        failed: (failed) => done({ failed }),
      });
    });
    return { ending, with: came, call };
  };
  const sendModern: Caller['sendModern'] = (method, params = {}, modern = {}) =>
    send(method, {
      ...params,
      _meta: {
        [META.protocolVersion]: '2026-07-28',
        [META.clientCapabilities]: modern.capabilities ?? {},
        [META.clientInfo]: { name: 'modern', version: '2' },
        ...(modern.logLevel === undefined ? {} : { [META.logLevel]: modern.logLevel }),
      },
    });
  return {
    channel,
    heard,
    asked,
    send,
    sendModern,
    tool: async (name, args = {}) =>
      jsonOf(await send('tools/call', { name, arguments: args }).ending),
    modernTool: async (name, args = {}, modern = {}) =>
      jsonOf(await sendModern('tools/call', { name, arguments: args }, modern).ending),
    async answer(result) {
      while (asked.length === 0) {
        await new Promise<void>((next) => {
          wake = next;
        });
      }
      const question = asked.shift() as Question;
      question.answer(resultBytes(question.frame.id, result));
      return question.frame;
    },
  };
}

/**
 * Gives callers of one server for each era, which stay until the last test of the file: for tests that ask nothing of the
 * server as a whole. Each caller is somebody else, and so has an instance for itself; what lists the server is there once.
 */
export function useCallers(): (init?: {
  readonly eras?: 'legacy' | 'modern';
  readonly capabilities?: JsonObject;
}) => Promise<Caller> {
  const benches = new Map<string, Promise<UpstreamBench>>();
  const ends: (() => unknown)[] = [];
  let callers = 0;
  afterAll(async () => {
    for (const end of ends.splice(0)) await end();
  });
  return async ({ eras = 'legacy', capabilities = {} } = {}) => {
    const bench =
      benches.get(eras) ?? upstreamBench({ eras, instancesMax: 100 }, (end) => void ends.push(end));
    benches.set(eras, bench);
    callers += 1;
    const principal: Principal = { kind: 'client', name: `caller ${callers}`, scopes: ['*'] };
    return callerOf(await bench, { principal, capabilities });
  };
}

/** What `whoami` says. */
export interface Whoami {
  readonly pid: number;
  readonly era: string;
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonObject;
  readonly logLevel: string | null;
  readonly subscribed: readonly string[];
  readonly notified: readonly string[];
}

export async function whoami(caller: Caller): Promise<Whoami> {
  return (await caller.tool('whoami')) as Whoami;
}

/** The JSON in the text of a tool's result. @throws what the call ended with instead */
export function jsonOf({ result, error, failed }: Ending): unknown {
  if (failed !== undefined) throw failed;
  const [first] = (result?.['content'] ?? []) as readonly { readonly text: string }[];
  if (first === undefined) throw new Error(`no text, but ${JSON.stringify(result ?? error)}`);
  return JSON.parse(first.text);
}

function requestOf(message: object): RequestFrame {
  const frame: Frame = parseFrame(Buffer.from(JSON.stringify(message)));
  if (frame.kind !== 'request') throw new Error('not a request');
  return frame;
}
