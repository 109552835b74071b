/** Functions of the program that holds the node, as tools: one server `functions`, which is there once it has one. */
import type { z } from 'zod';
import {
  StarlingError,
  VERSION,
  isObject,
  messageOf,
  misfitText,
  toStarlingError,
  unawaited,
} from '../../core/index.ts';
import type { Json, JsonObject, Logger } from '../../core/index.ts';
import type { ListedTool, ServerCatalog } from '../../directory/index.ts';
import { eraOf } from '../wire/era.ts';
import { markOwn } from '../pins/own-catalogs.ts';
import { RPC, errorBytes, errorOf, parseFrame, resultBytes } from '../wire/frame.ts';
import { progressOf } from './call-progress.ts';
import { readJsonSchema } from './json-schema.ts';
import type { ChannelCall, RelayedCall, ServerChannel } from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';
import type { FunctionContext, FunctionTool, Upstream, UpstreamStatus } from '../types.ts';

/** What lists call it, before the names of its tools. */
export const FUNCTIONS_SERVER = 'functions';
/** Calls that may run at the same time. */
const CALLS_MAX = 1000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** What a program offers of its own. */
export interface FunctionServer extends Upstream {
  readonly isEmpty: boolean;
  /** Offers a function; gives what takes it away. @throws STARLING_USAGE for a name that is none, or is there already */
  add(tool: FunctionTool): () => void;
  /** Aborts what runs. */
  stop(): void;
}

/** Makes the server; `changed` hears that its list is another. */
export function createFunctionServer(logger: Logger, changed: () => void): FunctionServer {
  return new Functions(logger, changed);
}

interface Offered {
  readonly tool: FunctionTool;
  readonly definition: ListedTool;
  readonly input: z.ZodType | undefined;
}

class Functions implements FunctionServer {
  readonly server = FUNCTIONS_SERVER;
  readonly #logger: Logger;
  readonly #changed: () => void;
  readonly #offered = new Map<string, Offered>();
  readonly #running = new Set<AbortController>();
  #catalog: ServerCatalog;

  constructor(logger: Logger, changed: () => void) {
    this.#logger = logger;
    this.#changed = changed;
    this.#catalog = this.#list();
  }

  get isEmpty(): boolean {
    return this.#offered.size === 0;
  }

  add(tool: FunctionTool): () => void {
    const { name } = tool;
    if (!NAME.test(name) || this.#offered.has(name)) {
      throw new StarlingError('STARLING_USAGE', `'${name.slice(0, 80)}' can't name a function`, {
        hint: 'a name has 1 to 64 of A-Z a-z 0-9 _ -, and is given once',
      });
    }
    const { description = name, inputSchema = { type: 'object' } } = tool;
    const { annotations } = tool;
    const hints = annotations === undefined ? {} : { annotations: { ...annotations } };
    const definition = { name, description, inputSchema, ...hints };
    const input = tool.inputSchema === undefined ? undefined : checkOf(name, inputSchema);
    this.#offered.set(name, { tool, definition, input });
    this.#listAnew();
    return () => {
      if (this.#offered.get(name)?.tool !== tool) return;
      this.#offered.delete(name);
      this.#listAnew();
    };
  }

  status(): UpstreamStatus {
    return {
      server: FUNCTIONS_SERVER,
      kind: 'builtin',
      state: 'ready',
      tools: this.#offered.size,
      resources: 0,
      prompts: 0,
      instances: 1,
    };
  }

  catalog(): ServerCatalog {
    return this.#catalog;
  }

  open(): ServerChannel {
    return {
      relay: (call) => this.#relay(call),
      request: async (method) => {
        throw notServed(method);
      },
      notify: () => undefined,
      // The channel ends with the node.
      ended: new Promise<StarlingError>(() => undefined),
      close: () => undefined,
    };
  }

  isBarred(): boolean {
    return false;
  }

  leftOut(): undefined {
    return undefined;
  }

  stop(): void {
    for (const abort of this.#running) abort.abort();
  }

  #list(): ServerCatalog {
    // A function that is offered later is no change of somebody else's list.
    return markOwn({
      server: FUNCTIONS_SERVER,
      capabilities: { tools: {} },
      serverInfo: { name: FUNCTIONS_SERVER, version: VERSION },
      tools: [...this.#offered.values()].map(({ definition }) => definition),
      resources: [],
      templates: [],
      prompts: [],
    });
  }

  #listAnew(): void {
    this.#catalog = this.#list();
    this.#changed();
  }

  #relay(call: RelayedCall): ChannelCall {
    const { method, params } = call.request;
    const name = call.edits?.name ?? params['name'];
    const found = typeof name === 'string' ? this.#offered.get(name) : undefined;
    const refusal = this.#refusal(method, found, name);
    if (refusal !== undefined || found === undefined) {
      call.failed(refusal ?? notServed(method));
      return { cancel: () => undefined };
    }
    const abort = new AbortController();
    this.#running.add(abort);
    const running = this.#run(call, found, abort).finally(() => this.#running.delete(abort));
    unawaited(running, this.#logger, 'a call of a function was not answered', {
      tool: found.tool.name,
    });
    return { cancel: () => abort.abort() };
  }

  #refusal(method: string, found: Offered | undefined, name: unknown): StarlingError | undefined {
    if (method !== 'tools/call') return notServed(method);
    if (found === undefined) {
      const text = `server '${FUNCTIONS_SERVER}' has no tool '${String(name).slice(0, 80)}'`;
      return new StarlingError('STARLING_TOOL_UNKNOWN', text);
    }
    if (this.#running.size < CALLS_MAX) return undefined;
    const text = `${CALLS_MAX} calls of server '${FUNCTIONS_SERVER}' run already`;
    return new StarlingError('STARLING_LIMIT_EXCEEDED', text);
  }

  /** Runs a function and answers the call, unless it is cancelled meanwhile. Never rejects. */
  async #run(call: RelayedCall, { tool, input }: Offered, abort: AbortController): Promise<void> {
    const { id } = call.request;
    const { signal } = abort;
    const tell = progressOf(call, () => signal.aborted);
    const context: FunctionContext = {
      signal,
      principal: call.principal,
      progress: (progress, total, message) => tell(progress, message, total),
    };
    try {
      const args = argumentsOf(call.request.params['arguments'], tool.name, input);
      const result = resultOf(await tool.handler(args, context));
      const kind = eraOf(call.request) === 'modern' ? { resultType: 'complete' } : {};
      if (!signal.aborted) call.response(responseOf(resultBytes(id, { ...kind, ...result })));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof StarlingError) {
        call.response(responseOf(errorBytes(id, errorOf(error))));
        return;
      }
      this.#logger.debug({ tool: tool.name, error: messageOf(error) }, 'a function failed');
      const failed = { content: [{ type: 'text', text: messageOf(error) }], isError: true };
      call.response(responseOf(resultBytes(id, failed)));
    }
  }
}

/** What checks arguments by the schema of a function. @throws STARLING_USAGE, which says what of it can't be checked */
function checkOf(name: string, schema: JsonObject): z.ZodType {
  try {
    return readJsonSchema(schema);
  } catch (error) {
    throw toStarlingError(error, 'STARLING_USAGE', `the input schema of function '${name}'`);
  }
}

/** @throws STARLING_USAGE, which names each argument that does not fit */
function argumentsOf(value: unknown, name: string, input: z.ZodType | undefined): JsonObject {
  const args = value === undefined ? {} : value;
  if (!isObject(args)) throw new StarlingError('STARLING_USAGE', '"arguments" must be an object');
  const found = input?.safeParse(args);
  if (found === undefined || found.success) return args as JsonObject;
  const problems = found.error.issues.slice(0, 5).map((issue) => misfitText(issue, 'arguments'));
  const text = `${FUNCTIONS_SERVER}/${name} can't use these arguments: ${problems.join('; ')}`;
  throw new StarlingError('STARLING_USAGE', text);
}

/** What a function gives is the result of MCP where it has content; else it is the structured content, or text. */
function resultOf(value: Json | undefined | void): JsonObject {
  if (isObject(value) && Array.isArray(value['content'])) return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value ?? null);
  const content = [{ type: 'text', text }];
  return isObject(value) ? { content, structuredContent: value } : { content };
}

function notServed(method: string): StarlingError {
  const text = `server '${FUNCTIONS_SERVER}' does not serve ${method}`;
  return new StarlingError('STARLING_USAGE', text, { data: { rpc: RPC.methodNotFound } });
}

function responseOf(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}
