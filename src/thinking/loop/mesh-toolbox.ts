/** The tools of the mesh, as one caller sees them, for a model: listed, called, and their results read. */
import { BUILTIN_SERVER, StarlingError, isObject, messageOf } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { misfits } from '../../agents/index.ts';
import type { InnerCaller, ToolOrigin } from '../../gateway/index.ts';
import { leastTrusted, readTaint, scopesCover } from '../../guard/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import { PAGES_MAX, RESULT_BYTES_MAX, TOOLS_MAX } from '../limits.ts';
import type { Toolbox, ToolOutcome, UsableTool } from '../types.ts';

/** What a toolbox works with. */
export interface ToolboxComponents {
  /** A caller whose rights are asked for before each request. */
  innerCaller(principal: () => Principal): InnerCaller;
  /** From which zone comes what a tool gives. */
  zoneOf(origin: ToolOrigin): Zone;
}

/** A toolbox that ends. */
export interface MeshToolbox extends Toolbox {
  /** A prompt of a server as text; `name` is `<server>/<prompt>`. @throws STARLING_AGENT_FAILED */
  prompt(name: string, signal: AbortSignal): Promise<string>;
  /** Whose rights it has now. */
  principal(): Principal;
  /** The least trusted zone from which it was given anything so far. */
  readonly zone: Zone;
  close(): void;
}

/**
 * The node's own tools say how far away what they give comes from: what was remembered, answers of agents, results of
 * tasks and plans.
 */
const TELLING = `tool:${BUILTIN_SERVER}/`;

/** Key in `_meta` of a call: nodes hand it on to the server of the tool (docs/tasks.md). */
const KEY_META = 'starling/idempotency-key';

/** Tools of this caller alone, by the names that lists show; undefined: all that it sees. */
export type Chosen = ((name: string) => boolean) | undefined;

/** Makes the toolbox of whoever has the rights that `principal` gives. */
export function createMeshToolbox(
  components: ToolboxComponents,
  principal: () => Principal,
  chosen?: Chosen,
): MeshToolbox {
  return new CallerToolbox(components, principal, chosen);
}

class CallerToolbox implements MeshToolbox {
  readonly #components: ToolboxComponents;
  readonly #base: () => Principal;
  readonly #chosen: Chosen;
  readonly #caller: InnerCaller;
  #zone: Zone = 'local';
  /** One object for the same rights, so that a session goes on. */
  #made: { readonly of: Principal; readonly zone: Zone; readonly principal: Principal } | undefined;

  constructor(components: ToolboxComponents, principal: () => Principal, chosen: Chosen) {
    this.#components = components;
    this.#base = principal;
    this.#chosen = chosen;
    this.#caller = components.innerCaller(() => this.principal());
  }

  principal(): Principal {
    const of = this.#base();
    const made = this.#made;
    if (made !== undefined && made.of === of && made.zone === this.#zone) return made.principal;
    const taint = this.#zone;
    const principal = of.kind === 'client' && taint !== 'local' ? { ...of, taint } : of;
    this.#made = { of, zone: taint, principal };
    return principal;
  }

  get zone(): Zone {
    return this.#zone;
  }

  heard(zone: Zone): void {
    this.#zone = leastTrusted([this.#zone, zone]) ?? zone;
  }

  async list(signal: AbortSignal): ReturnType<Toolbox['list']> {
    const found: UsableTool[] = [];
    let others = 0;
    let cursor: Json | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const params: JsonObject = cursor === undefined ? {} : { cursor };
      const result = await this.#caller.request('tools/list', params, signal);
      const { tools, nextCursor } = result;
      for (const one of Array.isArray(tools) ? (tools as readonly Json[]) : []) {
        const tool = usable(one);
        if (tool === undefined || !this.#isGiven(tool.name)) continue;
        if (found.length < TOOLS_MAX) {
          found.push(tool);
          this.#hearDescription(tool.name);
        } else others += 1;
      }
      if (typeof nextCursor !== 'string') break;
      cursor = nextCursor;
    }
    return { tools: found, others };
  }

  /** What a peer says of its tools is read by the model, as their results are; servers here are of the operator's choice. */
  #hearDescription(name: string): void {
    const origin = this.#caller.originOf(name);
    if (origin?.peer !== undefined) this.heard(this.#components.zoneOf(origin));
  }

  /** What every caller may use is given to a model only where somebody says so: each tool leads it astray a little. */
  #isGiven(name: string): boolean {
    if (this.#chosen?.(name) === false) return false;
    const of = this.#base();
    if (of.kind !== 'client') return true;
    const origin = this.#caller.originOf(name);
    return origin !== undefined && scopesCover(of.scopes, origin.resource);
  }

  async call(
    tool: UsableTool,
    args: JsonObject,
    signal: AbortSignal,
    key?: string,
  ): Promise<ToolOutcome> {
    const origin = this.#caller.originOf(tool.name);
    // What leads nowhere that is known is trusted least.
    const zone = origin === undefined ? 'external' : this.#components.zoneOf(origin);
    try {
      const meta = key === undefined ? {} : { _meta: { [KEY_META]: key } };
      const params = { name: tool.name, arguments: args, ...meta };
      const result = await this.#caller.request('tools/call', params, signal);
      const said = isTelling(origin) ? taintIn(result['structuredContent']) : [];
      return { ...readResult(tool, result), zone: leastTrusted([zone, ...said]) ?? zone };
    } catch (error) {
      signal.throwIfAborted();
      const isOwn = error instanceof StarlingError;
      const said = isOwn && isTelling(origin) ? taintIn(error.data) : [];
      const text = cut(isOwn ? worded(error) : messageOf(error));
      return { text, isError: true, zone: leastTrusted([zone, ...said]) ?? zone };
    }
  }

  async prompt(name: string, signal: AbortSignal): Promise<string> {
    const listed = await this.#caller.request('prompts/list', {}, signal);
    const [server = '', ...rest] = name.split('/');
    const prompt = rest.join('/');
    const all = Array.isArray(listed['prompts']) ? (listed['prompts'] as readonly Json[]) : [];
    const names = all.flatMap((one) =>
      isObject(one) && typeof one['name'] === 'string' ? [one['name']] : [],
    );
    const meant = names.find((one) => [name, prompt, `${server}__${prompt}`].includes(one));
    if (meant === undefined) throw noPrompt(name, 'there is none of that name that it may use');
    const { messages } = await this.#caller.request('prompts/get', { name: meant }, signal);
    const text = contentText(
      (Array.isArray(messages) ? (messages as readonly Json[]) : []).map((one) =>
        isObject(one) ? (one['content'] ?? null) : null,
      ),
    );
    if (text === '') throw noPrompt(name, 'it has no text');
    return text;
  }

  close(): void {
    this.#caller.close();
  }
}

/** A tool as the node lists it; undefined for what has no name. */
function usable(one: Json): UsableTool | undefined {
  if (!isObject(one)) return undefined;
  const { name, description, inputSchema, outputSchema, annotations } = one;
  if (typeof name !== 'string') return undefined;
  const hints = isObject(annotations) ? annotations : {};
  return {
    name,
    description: typeof description === 'string' ? description : '',
    inputSchema: isObject(inputSchema) ? inputSchema : { type: 'object' },
    ...(isObject(outputSchema) ? { outputSchema: outputSchema } : {}),
    isRepeatable: hints['readOnlyHint'] === true || hints['idempotentHint'] === true,
  };
}

/** What this node's own tools say is believed, and what others say of themselves is not. */
function isTelling(origin: ToolOrigin | undefined): boolean {
  return origin?.peer === undefined && origin?.resource.startsWith(TELLING) === true;
}

/** What an agent had read from whose words these are. */
function taintIn(said: unknown): readonly Zone[] {
  const taint = isObject(said) ? readTaint(said['taint']) : undefined;
  return taint === undefined ? [] : [taint];
}

/** A result that is not as its tool says is no data: nobody knows what it is. */
function readResult(
  tool: UsableTool,
  result: JsonObject,
): { readonly text: string; readonly isError: boolean } {
  const { content, isError, structuredContent } = result;
  if (isError === true) return { text: cut(contentText(content)), isError: true };
  const { outputSchema } = tool;
  if (outputSchema !== undefined) {
    const problems =
      structuredContent === undefined
        ? ['it has no structured content']
        : misfits(outputSchema, structuredContent, 'result');
    if (problems.length > 0) {
      const text = `its result is not as the tool's own outputSchema says, and was not used: ${problems.join('; ')}`;
      return { text: cut(text), isError: true };
    }
  }
  const text = contentText(content);
  const whole =
    text === '' && structuredContent !== undefined ? JSON.stringify(structuredContent) : text;
  return { text: cut(whole), isError: false };
}

/** The texts in content blocks; what is no text is named by its type. */
function contentText(content: Json | undefined): string {
  const blocks = Array.isArray(content) ? (content as readonly Json[]) : [content ?? null];
  return blocks
    .flatMap((block): string[] => {
      if (!isObject(block)) return [];
      const { type, text, resource } = block;
      if (typeof text === 'string') return [text];
      const inside = isObject(resource) ? resource['text'] : undefined;
      if (typeof inside === 'string') return [inside];
      return [`[${typeof type === 'string' ? type.slice(0, 40) : 'something'} that is no text]`];
    })
    .join('\n');
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= RESULT_BYTES_MAX) return text;
  const kept = bytes.subarray(0, RESULT_BYTES_MAX).toString('utf8');
  return `${kept}\n[cut: ${bytes.length - RESULT_BYTES_MAX} bytes more]`;
}

function worded({ message, hint }: StarlingError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

function noPrompt(name: string, why: string): StarlingError {
  return new StarlingError('STARLING_AGENT_FAILED', `the prompt '${name.slice(0, 300)}': ${why}`, {
    hint: 'see which there are: starling tools list; the agent needs the scope prompt:<server>/<prompt>',
    data: { reason: 'prompt' },
  });
}
