/**
 * One process of an agent that this node runs: an MCP server on stdio with a tool `message`, or a plain program by lines
 * of JSON. By the same pipe it calls what its agent may use: the node is its client, and its gateway. Its rights hang on
 * the pipe, so that there is no key inside that could be taken away.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Json, JsonObject } from '../../core/index.ts';
import { objectOf } from '../wire/era.ts';
import { RPC, errorBytes } from '../wire/frame.ts';
import { resultOf } from '../wire/client-handshake.ts';
import { NO_REPLY } from '../wire/reply.ts';
import type { Reply } from '../wire/reply.ts';
import { createInnerSessions } from '../session/inner-sessions.ts';
import type { InnerSessions, InnerSessionsComponents } from '../session/inner-sessions.ts';
import type { Answer } from '../channel-types.ts';
import type { RequestFrame } from '../frame-types.ts';
import type { AgentProcess, AgentStart } from '../types.ts';
import type { Instance } from './instances/instance.ts';
import { startOwnInstance } from './instances/own-instance.ts';
import type { OwnInstanceComponents } from './instances/own-instance.ts';
import { MESSAGE_TOOL, createPlainLines } from './process/plain-lines.ts';
import type { ProcessHooks } from './process/process-hooks.ts';

/** What a process of an agent is started with. */
export interface AgentProcessComponents extends InnerSessionsComponents, OwnInstanceComponents {
  readonly clock: Clock;
}

/** Bounds of all agents of the node. */
export interface AgentProcessBounds {
  readonly messageBytes: number;
  readonly startTimeoutMs?: number;
}

/** How long an agent may take to start and answer `initialize`. Longer keeps a hung start waiting, shorter fails slow ones. */
const START_TIMEOUT_MS = 30_000;
/** What an agent may ask of the node by its pipe. */
const SERVED: readonly string[] = [
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
];
/** Tells a program that speaks MCP that it may call tools of the node by the pipe that it is served by. */
const CLIENT = { capabilities: { experimental: { 'starling/tools': {} } }, clientInfo: {} };

/**
 * Starts the process; resolves when it has shaken hands.
 * @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID when it has no tool `message`
 */
export async function startAgentProcess(
  components: AgentProcessComponents,
  init: AgentStart,
  { messageBytes, startTimeoutMs = START_TIMEOUT_MS }: AgentProcessBounds,
): Promise<AgentProcess> {
  const { name, server, protocol, signal, within } = init;
  const hooks: ProcessHooks = {
    spawned: (pid) => init.spawned(pid),
    wrote: (line) => init.wrote(line),
    within,
    ...(protocol === 'lines' ? { codec: createPlainLines() } : {}),
  };
  const instance = await startOwnInstance(
    components,
    { hooks, signal },
    {
      name,
      server: { ...server, timeoutMs: init.timeoutMs },
      era: 'legacy',
      client: CLIENT,
      messageBytes,
      callTotalMs: init.timeoutMs,
      callsMax: init.callsMax,
      startTimeoutMs,
    },
  );
  try {
    await requireMessageTool(instance, name, startTimeoutMs);
    return new RunningProcess(components, instance, init);
  } catch (error) {
    await instance.close();
    throw error;
  }
}

class RunningProcess implements AgentProcess {
  readonly pid: number | undefined;
  readonly ended: Promise<StarlingError>;
  readonly #instance: Instance;
  readonly #init: AgentStart;
  readonly #sessions: InnerSessions;

  constructor(components: AgentProcessComponents, instance: Instance, init: AgentStart) {
    this.#sessions = createInnerSessions(components);
    this.#instance = instance;
    this.#init = init;
    this.pid = instance.pid;
    instance.attach({
      notification: () => undefined,
      request: (frame, answer) => this.#asked(frame, answer),
    });
    this.ended = instance.ended.then((error) => {
      this.#sessions.end();
      return error;
    });
  }

  async deliver(message: JsonObject, timeoutMs: number): Promise<Json> {
    const params = { name: MESSAGE_TOOL, arguments: message };
    const response = await this.#instance.channel.request('tools/call', params, {
      timeoutMs,
      // Whoever waits for the answer has gone then, whatever the program itself waits for.
      totalMs: timeoutMs,
    });
    const { structuredContent, content, isError } = resultOf(response);
    if (isError === true) throw didNot(this.#init.name, textIn(content));
    const { answer } = objectOf(structuredContent);
    return answer ?? structuredContent ?? textIn(content);
  }

  close(): Promise<void> {
    this.#sessions.end();
    return this.#instance.close();
  }

  /** A request of the program: what it may use of the mesh, by the road that all callers take. */
  #asked(frame: RequestFrame, answer: Answer): void {
    if (!SERVED.includes(frame.method)) {
      const message = `an agent is not served ${frame.method}; it may ask for ${SERVED.join(', ')}`;
      answer(errorBytes(frame.id, { code: RPC.methodNotFound, message }));
      return;
    }
    try {
      const session = this.#sessions.of(this.#init.principal());
      session.receive(frame, replyTo(answer));
    } catch (error) {
      answer(errorBytes(frame.id, { code: RPC.internal, message: messageOf(error) }));
    }
  }
}

function replyTo(answer: Answer): Reply {
  return { ...NO_REPLY, final: (message) => answer(message) };
}

async function requireMessageTool(
  { channel }: Instance,
  name: string,
  timeoutMs: number,
): Promise<void> {
  const { tools } = resultOf(await channel.request('tools/list', {}, { timeoutMs }));
  const isThere =
    Array.isArray(tools) &&
    (tools as readonly Json[]).some((tool) => objectOf(tool)['name'] === MESSAGE_TOOL);
  if (isThere) return;
  throw new StarlingError('STARLING_UPSTREAM_INVALID', `${name} has no tool 'message'`, {
    hint: 'an agent is an MCP server with a tool `message`, or a program by lines: "protocol": "lines"',
  });
}

function textIn(content: Json | undefined): string {
  if (!Array.isArray(content)) return '';
  return (content as readonly Json[])
    .map((part) => objectOf(part)['text'])
    .filter((text) => typeof text === 'string')
    .join('\n');
}

function didNot(name: string, why: string): StarlingError {
  return new StarlingError('STARLING_AGENT_FAILED', why === '' ? `${name} failed` : why, {
    data: { reason: 'failed' },
  });
}
