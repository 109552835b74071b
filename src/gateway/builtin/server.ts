/** The built-in server `starling`: tools of the node itself, as a channel like any other. */
import { BUILTIN_SERVER, StarlingError, VERSION, isObject, messageOf } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import type { ServerCatalog } from '../../directory/index.ts';
import type { Principal } from '../../guard/index.ts';
import { CACHING, eraOf } from '../wire/era.ts';
import { RPC, errorBytes, errorOf, parseFrame, resultBytes } from '../wire/frame.ts';
import type {
  BuiltinContext,
  BuiltinResource,
  BuiltinTool,
  ChannelCall,
  RelayedCall,
  ResponseFrame,
  ServerChannel,
  ServerChannelInit,
  Upstream,
  UpstreamStatus,
} from '../types.ts';
import { createBuiltinQuestions } from './questions.ts';

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
  readonly logger: Logger;
}

/** Makes the built-in server of `tools` and `resources`. */
export function createBuiltinServer(components: BuiltinServerComponents): BuiltinServer {
  return new NodeServer(components);
}

class NodeServer implements BuiltinServer {
  readonly server = BUILTIN_SERVER;
  readonly #logger: Logger;
  readonly #tools: ReadonlyMap<string, BuiltinTool>;
  readonly #resources: ReadonlyMap<string, BuiltinResource>;
  readonly #catalog: ServerCatalog;
  readonly #running = new Set<AbortController>();
  readonly #waiting = new Set<AbortController>();

  constructor({ tools, resources, logger }: BuiltinServerComponents) {
    this.#logger = logger;
    this.#tools = new Map(tools.map((tool) => [tool.definition.name, tool]));
    this.#resources = new Map(resources.map((one) => [one.definition.uri, one]));
    this.#catalog = {
      server: BUILTIN_SERVER,
      capabilities: { tools: {}, resources: {} },
      serverInfo: { name: BUILTIN_SERVER, version: VERSION },
      tools: tools.map((tool) => tool.definition),
      resources: resources.map((resource) => resource.definition),
      templates: [],
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
    return {
      relay: (call) => this.#relay(call, init),
      request: (method) => Promise.reject(notServed(method)),
      notify: () => undefined,
      // The channel ends with the node.
      ended: new Promise<StarlingError>(() => undefined),
      close: () => undefined,
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
    for (const abort of [...this.#running, ...this.#waiting]) abort.abort();
    for (const tool of this.#tools.values()) tool.stop?.();
  }

  #relay(call: RelayedCall, init: ServerChannelInit): ChannelCall {
    const { method, params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const isWaiting = method === 'tools/call' && this.#tools.get(String(name))?.waits === true;
    const under = isWaiting ? this.#waiting : this.#running;
    const refusal =
      method !== 'tools/call' && method !== 'resources/read'
        ? notServed(method)
        : isFull(under.size, isWaiting ? WAITING_CALLS_MAX : CALLS_MAX);
    if (refusal !== undefined) {
      call.failed(refusal);
      return { cancel: () => undefined };
    }
    const abort = new AbortController();
    under.add(abort);
    void this.#run(call, abort, init).finally(() => under.delete(abort));
    return { cancel: () => abort.abort() };
  }

  /** Runs a call and answers it, unless it is cancelled meanwhile. Never rejects. */
  async #run(call: RelayedCall, abort: AbortController, init: ServerChannelInit): Promise<void> {
    const { id, method } = call.request;
    const { signal } = abort;
    try {
      const result =
        method === 'resources/read'
          ? await this.#readResource(call, signal)
          : await this.#callTool(call, signal, init);
      if (!signal.aborted) {
        const kind = eraOf(call.request) === 'modern' ? { resultType: 'complete' } : {};
        call.response(responseOf(resultBytes(id, { ...kind, ...result })));
      }
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        this.#logger.error({ method, error: messageOf(error) }, 'built-in server failed');
      }
      if (!signal.aborted) call.response(responseOf(errorBytes(id, errorOf(error))));
    }
  }

  async #callTool(
    call: RelayedCall,
    signal: AbortSignal,
    init: ServerChannelInit,
  ): Promise<JsonObject> {
    const { params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const tool = typeof name === 'string' ? this.#tools.get(name) : undefined;
    if (tool === undefined) throw unknown('STARLING_TOOL_UNKNOWN', 'tool', name);
    if (isBarred(tool, call.principal)) {
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `${BUILTIN_SERVER}/${tool.definition.name} is for this node's operator only`,
      );
    }
    const { elicit, paused } = createBuiltinQuestions(call, init);
    const context = { ...contextOf(call, signal), elicit };
    const done = tool
      .call(argumentsOf(params['arguments']), context)
      .then((result) => contentOf(result, tool.onTop === true));
    return Promise.race([done, paused]);
  }

  async #readResource(call: RelayedCall, signal: AbortSignal): Promise<JsonObject> {
    const uri = call.edits?.uri ?? call.request.params['uri'];
    const resource = typeof uri === 'string' ? this.#resources.get(uri) : undefined;
    if (resource === undefined) throw unknown('STARLING_USAGE', 'resource', uri);
    const text = await resource.read(contextOf(call, signal));
    const caching = eraOf(call.request) === 'modern' ? { ...CACHING, ttlMs: 0 } : {};
    const { mimeType, uri: own } = resource.definition;
    return { ...caching, contents: [{ uri: own, mimeType, text }] };
  }
}

/** Whatever the guard said: a tool that is for the operator alone is not run for anybody else. */
function isBarred(tool: BuiltinTool | undefined, { kind }: Principal): boolean {
  if (kind === 'operator') return false;
  const isForClients = kind === 'client' && tool?.clients !== 'no';
  return tool === undefined || (tool.peers === 'no' && !isForClients);
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

function contextOf({ principal, session }: RelayedCall, signal: AbortSignal): BuiltinContext {
  return { principal, signal, ...(session === undefined ? {} : { session }) };
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

/** Structured content, and the same as text for clients that read only text (MCP `tools`). */
function contentOf(result: JsonObject, onTop: boolean): JsonObject {
  return {
    ...(onTop ? result : {}),
    content: [{ type: 'text', text: JSON.stringify(result) }],
    structuredContent: result,
  };
}

function responseOf(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}
