/** The built-in server `starling`: tools of the node itself, as a channel like any other. */
import {
  BUILTIN_SERVER,
  StarlingError,
  VERSION,
  createChurnMap,
  isObject,
  messageOf,
  systemClock,
  unawaited,
} from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import type { ServerCatalog } from '../../directory/index.ts';
import { seesAll } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import { CACHING, declaresTasks, eraOf, lacksTasks, objectOf } from '../wire/era.ts';
import { RPC, errorBytes, errorOf, parseFrame, resultBytes } from '../wire/frame.ts';
import { STRUCTURED_CAPABILITY } from '../wire/peers/peer-protocol.ts';
import { noTask } from '../wire/task-id.ts';
import { contentOf, ownResponse } from './answers.ts';
import type { Content } from './answers.ts';
import { RunningCall } from './running-call.ts';
import type { CallChannel } from './running-call.ts';
import { jsonOf } from './tool.ts';
import type {
  ChannelCall,
  RelayedCall,
  ServerChannel,
  ServerChannelInit,
} from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';
import type {
  BuiltinContext,
  BuiltinResource,
  BuiltinTasks,
  BuiltinTemplate,
  BuiltinTool,
  Upstream,
  UpstreamStatus,
} from '../types.ts';
import { createClientSampling } from './client-sampling.ts';
import type { SessionSampling } from './client-sampling.ts';
import { createBuiltinSubscriptions } from './subscriptions.ts';
import type { BuiltinSubscriptions } from './subscriptions.ts';

/** Characters of an agent's name or id that an error repeats. */
const AGENT_MAX = 128;
/** Calls that may run at the same time. */
const CALLS_MAX = 1000;
/** Calls besides these that wait for something to happen, as in an inbox: each costs some kB and a timer. */
const WAITING_CALLS_MAX = 4000;

/** The built-in server: an upstream that needs no starting. */
export interface BuiltinServer extends Upstream {
  /** Aborts what runs. */
  stop(): void;
}

/** What the built-in server serves. */
export interface BuiltinServerComponents {
  readonly tools: readonly BuiltinTool[];
  readonly resources: readonly BuiltinResource[];
  readonly templates: readonly BuiltinTemplate[];
  /** Absent: no call is answered with a task. */
  readonly tasks?: BuiltinTasks | undefined;
  readonly logger: Logger;
  /** By which the duration of what failed is told; default the system's. */
  readonly clock?: Clock;
}

/** Makes the built-in server of `tools`, `resources` and `templates`. */
export function createBuiltinServer(components: BuiltinServerComponents): BuiltinServer {
  return new NodeServer(components);
}

class NodeServer implements BuiltinServer {
  readonly server = BUILTIN_SERVER;
  readonly #logger: Logger;
  readonly #tools: ReadonlyMap<string, BuiltinTool>;
  readonly #resources: ReadonlyMap<string, BuiltinResource>;
  readonly #templates: readonly BuiltinTemplate[];
  readonly #tasks: BuiltinTasks | undefined;
  readonly #catalog: ServerCatalog;
  readonly #clock: Clock;
  /** By numbers of their own. */
  readonly #running = createChurnMap<number, Abortable>();
  readonly #waiting = createChurnMap<number, Abortable>();
  #begun = 0;

  constructor({
    tools,
    resources,
    templates,
    tasks,
    logger,
    clock = systemClock,
  }: BuiltinServerComponents) {
    this.#logger = logger;
    this.#clock = clock;
    this.#tasks = tasks;
    this.#tools = new Map(tools.map((tool) => [tool.definition.name, tool]));
    this.#resources = new Map(resources.map((one) => [one.definition.uri, one]));
    this.#templates = templates;
    this.#catalog = {
      server: BUILTIN_SERVER,
      capabilities: { tools: {}, resources: { subscribe: true } },
      serverInfo: { name: BUILTIN_SERVER, version: VERSION },
      tools: tools.map((tool) => tool.definition),
      resources: resources.map((resource) => resource.definition),
      templates: templates.map((template) => template.definition),
      prompts: [],
    };
  }

  status(): UpstreamStatus {
    return {
      server: BUILTIN_SERVER,
      kind: 'builtin',
      state: 'ready',
      tools: this.#tools.size,
      resources: this.#resources.size,
      prompts: 0,
      instances: 1,
    };
  }

  catalog(): ServerCatalog {
    return this.#catalog;
  }

  open(init: ServerChannelInit): ServerChannel {
    const subscriptions = createBuiltinSubscriptions(this.#templates, init);
    const sampling = createClientSampling(init);
    const onceAbove = onceAboveOf(init);
    return {
      relay: (call) => this.#relay(call, { init, subscriptions, sampling, onceAbove }),
      request: async (method, params) => {
        const abort = new AbortController();
        const context = { principal: init.principal, signal: abort.signal };
        const { taskId } = params;
        // The session asks for a task of which its client listens.
        if (method === 'tasks/get' && this.#tasks !== undefined && typeof taskId === 'string') {
          return responseOf(await answered(this.#tasks.get(taskId, context)));
        }
        if (!SUBSCRIBING.includes(method)) throw notServed(method);
        return responseOf(await answered(subscriptions.serve(method, params['uri'], context)));
      },
      notify: () => undefined,
      // The channel ends with the node.
      ended: new Promise<StarlingError>(() => undefined),
      close: () => {
        subscriptions.close();
        sampling?.end();
      },
    };
  }

  isBarred(name: string, principal: Principal): boolean {
    return isBarred(this.#tools.get(name), principal);
  }

  leftOut(): undefined {
    return undefined;
  }

  subjectOf(name: string): BuiltinTool['subject'] {
    return this.#tools.get(name)?.subject;
  }

  stop(): void {
    for (const running of [...this.#running.values(), ...this.#waiting.values()]) running.abort();
    for (const tool of this.#tools.values()) tool.stop?.();
  }

  #relay(call: RelayedCall, open: Open): ChannelCall {
    const { method, params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const tool = method === 'tools/call' ? this.#tools.get(String(name)) : undefined;
    if (tool?.onward !== undefined && !isBarred(tool, call.principal)) {
      const onward = tool.onward(call);
      if (onward !== undefined) return onward;
    }
    const isWaiting = tool?.waits === true;
    const under = isWaiting ? this.#waiting : this.#running;
    const refusal = SERVED.includes(method)
      ? isFull(under.size, isWaiting ? WAITING_CALLS_MAX : CALLS_MAX)
      : notServed(method);
    if (refusal !== undefined) {
      call.failed(refusal);
      return { cancel: () => undefined };
    }
    const begun = tool?.begin === undefined ? undefined : this.#begin(tool, call, open);
    if (begun !== undefined) return begun;
    const running = new RunningCall(call, open);
    const number = this.#number();
    under.set(number, running);
    const over = this.#run(call, running, open).finally(() => under.delete(number));
    unawaited(over, this.#logger, 'a call of the built-in server was not answered', { method });
    return { cancel: () => running.abort() };
  }

  /** A call that its tool begins by itself; undefined where it does not. It is bounded, and ended by a stop, as all that wait. */
  #begin(tool: BuiltinTool, call: RelayedCall, { onceAbove }: Open): ChannelCall | undefined {
    if (isBarred(tool, call.principal)) return undefined;
    const { id, params } = call.request;
    const startedAt = this.#clock.now();
    let giveUp: (() => void) | undefined;
    const number = this.#number();
    const over = (): boolean => this.#waiting.delete(number);
    const cancel = (): void => {
      if (over()) giveUp?.();
    };
    this.#waiting.set(number, { abort: cancel });
    try {
      giveUp = tool.begin?.(argumentsOf(params['arguments']), call.principal, (outcome) => {
        if (!over()) return;
        if (outcome instanceof StarlingError) {
          const told = withFacts(outcome, call, this.#clock.now() - startedAt);
          call.response(responseOf(errorBytes(id, errorOf(told))));
          return;
        }
        const content = contentFor(outcome, tool, onceAbove, JSON.stringify(outcome));
        call.response(ownResponse(id, kindOf(call), content));
      });
    } catch (error) {
      over();
      throw error;
    }
    if (giveUp !== undefined) return { cancel };
    over();
    return undefined;
  }

  #number(): number {
    this.#begun += 1;
    return this.#begun;
  }

  /** Runs a call and answers it, unless it is cancelled meanwhile. Never rejects. */
  async #run(call: RelayedCall, running: RunningCall, open: Open): Promise<void> {
    const { id, method } = call.request;
    const startedAt = this.#clock.now();
    try {
      const result = await this.#serve(call, running, open);
      if (!running.isAborted) call.response(ownResponse(id, kindOf(call), result));
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        this.#logger.error({ method, error: messageOf(error) }, 'built-in server failed');
      }
      const told = withFacts(error, call, this.#clock.now() - startedAt);
      if (!running.isAborted) call.response(responseOf(errorBytes(id, errorOf(told))));
    }
  }

  #serve(call: RelayedCall, running: RunningCall, open: Open): Promise<JsonObject | Content> {
    const { method } = call.request;
    const { subscriptions } = open;
    if (method === 'tools/call') return this.#callTool(call, running, open);
    if (method === 'resources/read') return this.#readResource(call, running);
    if (TASK_METHODS.includes(method)) return this.#serveTask(call, running);
    return subscriptions.serve(method, uriOf(call), running);
  }

  /** `tasks/get`, `tasks/update`, `tasks/cancel` (SEP-2663). */
  async #serveTask(call: RelayedCall, context: BuiltinContext): Promise<JsonObject> {
    const { method, params } = call.request;
    const { taskId } = params;
    if (!declaresTasks(call.request)) throw lacksTasks();
    if (this.#tasks === undefined || typeof taskId !== 'string') throw noTask();
    try {
      if (method === 'tasks/get') return await this.#tasks.get(taskId, context);
      if (method === 'tasks/cancel') await this.#tasks.cancel(taskId, context);
      else await this.#tasks.update(taskId, objectOf(params['inputResponses']), context);
      return {};
    } catch (error) {
      throw error instanceof StarlingError && error.code === 'STARLING_TASK_UNKNOWN'
        ? noTask()
        : error;
    }
  }

  /** What a client polls, in place of a result that is not there yet. */
  async #asTask(result: JsonObject, context: BuiltinContext): Promise<JsonObject | Content> {
    const { taskId, endedAt } = result;
    const isOver = endedAt !== undefined || typeof taskId !== 'string';
    if (isOver || this.#tasks === undefined) return contentOf(result, { onTop: true });
    const {
      result: _,
      error: __,
      inputRequests: ___,
      ...seed
    } = await this.#tasks.get(taskId, context);
    return { ...seed, resultType: 'task' };
  }

  async #callTool(
    call: RelayedCall,
    running: RunningCall,
    { onceAbove }: Open,
  ): Promise<JsonObject | Content> {
    const { params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const tool = typeof name === 'string' ? this.#tools.get(name) : undefined;
    if (tool === undefined) throw unknown('STARLING_TOOL_UNKNOWN', 'tool', name);
    if (isBarred(tool, call.principal)) {
      throw barred(tool, call.principal);
    }
    const done = tool.call(argumentsOf(params['arguments']), running).then((result) =>
      // Many tasks in one call have no single one that the client could ask for.
      tool.givesTask === true && 'taskId' in result && declaresTasks(call.request)
        ? this.#asTask(result, running)
        : contentFor(result, tool, onceAbove, jsonOf(result)),
    );
    return running.orPaused(done);
  }

  async #readResource(call: RelayedCall, context: BuiltinContext): Promise<JsonObject> {
    const uri = uriOf(call);
    const caching = eraOf(call.request) === 'modern' ? { ...CACHING, ttlMs: 0 } : {};
    const resource = typeof uri === 'string' ? this.#resources.get(uri) : undefined;
    if (resource !== undefined) {
      const { mimeType, uri: own } = resource.definition;
      return { ...caching, contents: [{ uri: own, mimeType, text: await resource.read(context) }] };
    }
    for (const template of typeof uri === 'string' ? this.#templates : []) {
      const text = await template.read(uri as string, context);
      const { mimeType } = template.definition;
      if (text !== undefined)
        return { ...caching, contents: [{ uri: uri as string, mimeType, text }] };
    }
    throw unknown('STARLING_USAGE', 'resource', uri);
  }
}

/** What a stop ends. */
type Abortable = Pick<RunningCall, 'abort'>;

const SUBSCRIBING: readonly string[] = ['resources/subscribe', 'resources/unsubscribe'];
const TASK_METHODS: readonly string[] = ['tasks/get', 'tasks/update', 'tasks/cancel'];
const SERVED: readonly string[] = ['tools/call', 'resources/read', ...SUBSCRIBING, ...TASK_METHODS];

/** One channel of a session. */
interface Open extends CallChannel {
  readonly subscriptions: BuiltinSubscriptions;
  readonly sampling: SessionSampling | undefined;
  /** Answers of more characters are structured content alone; Infinity for a client that reads the text of each. */
  readonly onceAbove: number;
}

/** What a node says that opens a session for its own calls, or for those that it hands on. */
function onceAboveOf({ client }: ServerChannelInit): number {
  const said = objectOf(client.capabilities['experimental'])[STRUCTURED_CAPABILITY];
  if (said === undefined) return Number.POSITIVE_INFINITY;
  const { above } = objectOf(said);
  return typeof above === 'number' ? above : 0;
}

/** Answers that are longer than `onceAbove` are structured content alone. */
function contentFor(
  result: JsonObject,
  tool: BuiltinTool,
  onceAbove: number,
  json: string,
): Content {
  return contentOf(result, json.length > onceAbove ? { forNodes: true } : tool, json);
}

function kindOf({ request }: RelayedCall): JsonObject {
  return eraOf(request) === 'modern' ? { resultType: 'complete' } : {};
}

function uriOf(call: RelayedCall): unknown {
  return call.edits?.uri ?? call.request.params['uri'];
}

async function answered(result: Promise<JsonObject>): Promise<Buffer> {
  try {
    return resultBytes(0, await result);
  } catch (error) {
    return errorBytes(0, errorOf(error));
  }
}

/** JSON-RPC codes of agents, swarms and resources, whose errors have the document's `{ agentId, reason, duration }`. */
const WITH_FACTS: readonly number[] = [-32_001, -32_002, -32_003];

/** An error of a tool with whom the call was about and how long that took, ms, where the error does not say so itself. */
function withFacts(error: unknown, { request }: RelayedCall, duration: number): unknown {
  if (!(error instanceof StarlingError) || request.method !== 'tools/call') return error;
  const { code, data, hint, message, row } = error;
  if (!WITH_FACTS.includes(row.rpc) || data['rpc'] !== undefined) return error;
  const { agentId, to } = objectOf(request.params['arguments']);
  const whom = agentId ?? to;
  const about = typeof whom === 'string' ? { agentId: whom.slice(0, AGENT_MAX) } : {};
  const facts = { ...about, duration, ...data };
  const said = hint === undefined ? {} : { hint };
  return new StarlingError(code, message, { ...said, data: facts, cause: error });
}

/** Whatever the guard said: a tool that is for the operator alone is not run for anybody else. */
function isBarred(tool: BuiltinTool | undefined, principal: Principal): boolean {
  const { kind } = principal;
  if (kind === 'operator') return !seesAll(principal) && tool?.dashboard !== true;
  const isForClients = kind === 'client' && tool?.clients !== 'no';
  return tool === undefined || (tool.peers === 'no' && !isForClients);
}

function barred({ definition }: BuiltinTool, { kind }: Principal): StarlingError {
  const what = `${BUILTIN_SERVER}/${definition.name}`;
  return kind === 'operator'
    ? new StarlingError('STARLING_CALL_REFUSED', `${what} is not for the dashboard`, {
        hint: 'keys, secrets, rights and policy are changed in a terminal: starling --help',
      })
    : new StarlingError('STARLING_CALL_REFUSED', `${what} is for this node's operator only`);
}

function unknown(
  code: 'STARLING_TOOL_UNKNOWN' | 'STARLING_USAGE',
  what: string,
  name: unknown,
): StarlingError {
  return new StarlingError(code, `server '${BUILTIN_SERVER}' has no ${what} '${String(name)}'`);
}

function notServed(method: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `server '${BUILTIN_SERVER}' does not serve ${method}`,
    {
      data: { rpc: RPC.methodNotFound },
    },
  );
}

function argumentsOf(value: unknown): JsonObject {
  if (value === undefined) return {};
  if (isObject(value)) return value as JsonObject;
  throw new StarlingError('STARLING_USAGE', '"arguments" must be an object');
}

function isFull(calls: number, callsMax: number): StarlingError | undefined {
  if (calls < callsMax) return undefined;
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${callsMax} calls of server '${BUILTIN_SERVER}' run already`,
  );
}

function responseOf(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}
