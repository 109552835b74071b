/** The built-in server `starling`: tools of the node itself, as a channel like any other. */
import { StarlingError, VERSION, messageOf } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import { CACHING, eraOf } from '../wire/era.ts';
import { RPC, errorBytes, errorOf, parseFrame, resultBytes } from '../wire/frame.ts';
import type {
  BuiltinContext,
  BuiltinResource,
  BuiltinTool,
  ChannelCall,
  RelayedCall,
  ResponseFrame,
  ServerChannelInit,
  Upstream,
} from '../types.ts';
import { createBuiltinQuestions } from './questions.ts';

/** Calls that may run at the same time. */
const CALLS_MAX = 1000;

/** Name of the built-in server. */
export const BUILTIN = 'starling';

/** The built-in server: an upstream that needs no starting. */
export interface Builtin extends Upstream {
  /** Aborts what runs. */
  stop(): void;
}

/** Makes the built-in server of `tools`. */
export function createBuiltin(components: {
  readonly tools: readonly BuiltinTool[];
  readonly resources: readonly BuiltinResource[];
  readonly logger: Logger;
}): Builtin {
  const tools = new Map(components.tools.map((tool) => [tool.definition.name, tool]));
  const resources = new Map(components.resources.map((one) => [one.definition.uri, one]));
  const running = new Set<AbortController>();

  async function callTool(
    call: RelayedCall,
    signal: AbortSignal,
    init: ServerChannelInit,
  ): Promise<JsonObject> {
    const { params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const tool = typeof name === 'string' ? tools.get(name) : undefined;
    if (tool === undefined || typeof name !== 'string') {
      throw new StarlingError(
        'STARLING_TOOL_UNKNOWN',
        `server 'starling' has no tool '${String(name)}'`,
      );
    }
    if (tool.operatorOnly && call.principal.kind !== 'operator') {
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `starling/${name} is for this node's operator only`,
      );
    }
    const { elicit, paused } = createBuiltinQuestions(call, init);
    const context = { ...contextOf(call, signal), elicit };
    const done = tool.call(argumentsOf(params['arguments']), context).then(contentOf);
    return Promise.race([done, paused]);
  }

  async function readResource(call: RelayedCall, signal: AbortSignal): Promise<JsonObject> {
    const uri = call.edits?.uri ?? call.request.params['uri'];
    const resource = typeof uri === 'string' ? resources.get(uri) : undefined;
    if (resource === undefined || typeof uri !== 'string') {
      throw new StarlingError(
        'STARLING_USAGE',
        `server 'starling' has no resource '${String(uri)}'`,
      );
    }
    const text = await resource.read(contextOf(call, signal));
    const caching = eraOf(call.request) === 'modern' ? { ...CACHING, ttlMs: 0 } : {};
    const { mimeType } = resource.definition;
    return { ...caching, contents: [{ uri, mimeType, text }] };
  }

  async function run(
    call: RelayedCall,
    abort: AbortController,
    init: ServerChannelInit,
  ): Promise<void> {
    const { id, method } = call.request;
    try {
      const answer = method === 'resources/read' ? readResource : callTool;
      const result = await answer(call, abort.signal, init);
      if (!abort.signal.aborted) {
        const kind = eraOf(call.request) === 'modern' ? { resultType: 'complete' } : {};
        call.response(response(resultBytes(id, { ...kind, ...result })));
      }
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        components.logger.error({ method, error: messageOf(error) }, 'built-in server failed');
      }
      if (!abort.signal.aborted) call.response(response(errorBytes(id, errorOf(error))));
    } finally {
      running.delete(abort);
    }
  }

  const relay = (call: RelayedCall, init: ServerChannelInit): ChannelCall => {
    const { method } = call.request;
    if (method !== 'tools/call' && method !== 'resources/read') {
      call.failed(
        new StarlingError('STARLING_USAGE', `server '${BUILTIN}' does not serve ${method}`, {
          data: { rpc: RPC.methodNotFound },
        }),
      );
      return { cancel: () => undefined };
    }
    if (running.size >= CALLS_MAX) {
      call.failed(
        new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `${CALLS_MAX} calls of server '${BUILTIN}' run already`,
        ),
      );
      return { cancel: () => undefined };
    }
    const abort = new AbortController();
    running.add(abort);
    void run(call, abort, init);
    return { cancel: () => abort.abort() };
  };
  const definitions = components.tools.map((tool) => tool.definition);
  return {
    server: BUILTIN,
    status: () => ({
      server: BUILTIN,
      kind: 'builtin',
      state: 'ready',
      tools: definitions.length,
      resources: resources.size,
      prompts: 0,
      instances: 1,
    }),
    catalog: () => ({
      server: BUILTIN,
      capabilities: { tools: {}, resources: {} },
      serverInfo: { name: BUILTIN, version: VERSION },
      tools: definitions,
      resources: components.resources.map((resource) => resource.definition),
      templates: [],
      prompts: [],
    }),
    open: (init) => ({
      relay: (call) => relay(call, init),
      request: (method) =>
        Promise.reject(
          new StarlingError('STARLING_USAGE', `server '${BUILTIN}' does not serve ${method}`, {
            data: { rpc: RPC.methodNotFound },
          }),
        ),
      notify: () => undefined,
      // It ends with the node.
      ended: new Promise<StarlingError>(() => undefined),
      close: () => undefined,
    }),
    forOperatorOnly: (name) => tools.get(name)?.operatorOnly ?? true,
    stop() {
      for (const abort of running) abort.abort();
    },
  };
}

function contextOf({ principal, session }: RelayedCall, signal: AbortSignal): BuiltinContext {
  return { principal, signal, ...(session === undefined ? {} : { session }) };
}

function argumentsOf(value: unknown): JsonObject {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as JsonObject;
  throw new StarlingError('STARLING_USAGE', '"arguments" must be an object');
}

/** Structured content, and the same as text for clients that read only text (MCP `tools`). */
function contentOf(result: JsonObject): JsonObject {
  return {
    content: [{ type: 'text', text: JSON.stringify(result) }],
    structuredContent: result,
  };
}

function response(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}
