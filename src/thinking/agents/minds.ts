/**
 * What stands for the process of an agent that thinks with a model: given messages as a process is, it thinks about each,
 * and its answer is what the model said in the end.
 */
import { StarlingError, isObject, printable, withDeadline } from '../../core/index.ts';
import type { Clock, Json, JsonObject } from '../../core/index.ts';
import type { MindStart } from '../../agents/index.ts';
import { SESSION_CHARS_MAX, zoneOfRecalled } from '../../contexts/index.ts';
import type { ContextOf, Recalled, Recollection } from '../../contexts/index.ts';
import type { AgentProcess } from '../../gateway/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import { LOGGED_MAX, PROMPT_BYTES_MAX } from '../limits.ts';
import { asData } from '../loop/conversation.ts';
import { createMeshToolbox } from '../loop/mesh-toolbox.ts';
import type { MeshToolbox, ToolboxComponents } from '../loop/mesh-toolbox.ts';
import { think } from '../loop/think.ts';
import type { ThinkComponents } from '../loop/think.ts';
import { openSteps } from '../step-rows.ts';
import type { StepRowsComponents } from '../step-rows.ts';
import type { ThoughtEvent } from '../types.ts';

/** What minds work with. */
export interface MindsComponents extends ThinkComponents, ToolboxComponents, StepRowsComponents {
  /** How somebody came for whom an agent works. */
  zoneOfCaller(principal: Principal): Zone;
  /** Conversations that go on from one message to the next. */
  readonly contexts: Recollection;
  /** Tokens that fit into a model, or into the smallest of a route. */
  contextTokensOf(model: string, principal: Principal): number;
  readonly clock: Clock;
}

/** Starts a mind; it is ready at once. */
export async function startMind(
  components: MindsComponents,
  init: MindStart,
): Promise<AgentProcess> {
  init.signal.throwIfAborted();
  return new Mind(components, init);
}

class Mind implements AgentProcess {
  readonly pid = undefined;
  readonly ended: Promise<StarlingError>;
  readonly #components: MindsComponents;
  readonly #init: MindStart;
  readonly #life = new AbortController();
  #end: (error: StarlingError) => void = () => undefined;

  constructor(components: MindsComponents, init: MindStart) {
    this.#components = components;
    this.#init = init;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async deliver(message: JsonObject, timeoutMs: number, sender: string): Promise<Json> {
    const { clock } = this.#components;
    const { signal } = this.#life;
    if (signal.aborted) throw stopped(this.#init.agent);
    try {
      const work = (until: AbortSignal): Promise<Json> => this.#answer(message, sender, until);
      return await withDeadline(clock, timeoutMs, work, signal);
    } catch (error) {
      if (signal.aborted) throw stopped(this.#init.agent);
      if (error instanceof DOMException && error.name === 'TimeoutError') {
        const text = `agent ${this.#init.agent} did not answer within ${timeoutMs / 1000} s`;
        if (message['type'] === 'query') throw new StarlingError('STARLING_TIMEOUT', text);
        // The thought is over by this. A program would hang and be started anew, and with it all that it does for others.
        throw new StarlingError('STARLING_AGENT_FAILED', text, { data: { reason: 'late' } });
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    const error = stopped(this.#init.agent);
    this.#life.abort(error);
    this.#end(error);
  }

  async #answer(message: JsonObject, sender: string, signal: AbortSignal): Promise<Json> {
    const { agent, asks, mind, owner } = this.#init;
    const { contexts } = this.#components;
    const from = textOf(message['from']);
    const id = taskOf(message) ?? textOf(message['messageId']);
    const { type, message: said = null, data = null } = message;
    const text = JSON.stringify([type ?? null, said, data]);
    const log = await openSteps(this.#components, { agent, from, message: id, text });
    const goesOn = log.steps.length > 1 ? `, which goes on after ${log.steps.length} steps` : '';
    this.#wrote(`message from ${from}${goesOn}`);
    const toolbox = createMeshToolbox(this.#components, () => this.#init.principal());
    try {
      this.#heardSender(toolbox);
      const session = sessionOf(message);
      const context = session === undefined ? undefined : { agent, owner, from, sender, session };
      const contextTokens = this.#components.contextTokensOf(mind.model, asks);
      const before =
        context === undefined ? undefined : await contexts.recall(context, contextTokens);
      if (before !== undefined) toolbox.heard(zoneOfRecalled(before));
      const instructions = await this.#instructions(toolbox, signal);
      const thought = await think(this.#components, {
        model: mind.model,
        asks,
        steps: mind.steps,
        toolbox,
        log,
        task: taskOf(message),
        opening: (mark) => ({
          system: this.#system(instructions),
          question: questionOf(message, mark),
          ...(before === undefined ? {} : { before: remindersOf(before, mark) }),
        }),
        signal,
        happened: (event) => this.#happened(event),
      });
      // Whoever is given the answer is given what the agent has read.
      if (toolbox.zone !== 'local') this.#init.heard(toolbox.zone);
      const { inputTokens, outputTokens, steps } = thought;
      this.#wrote(`answered after ${steps} turns, ${inputTokens} + ${outputTokens} tokens`);
      if (context !== undefined) {
        await this.#keep(context, message, thought.text, toolbox.zone);
        contexts.compress(context, { model: mind.model, asks, contextTokens });
      }
      return valueOf(thought.text);
    } finally {
      toolbox.close();
      log.close();
    }
  }

  /** Before the answer goes out: a message that comes once more finds the same conversation. */
  #keep(of: ContextOf, message: JsonObject, answer: string, zone: Zone): Promise<void> {
    const id = textOf(message['messageId']);
    const question = wordsOf(message);
    return this.#components.contexts.keep(of, { message: id, question, answer, zone });
  }

  /** What a message from elsewhere says may be what its sender wants of others' rights. */
  #heardSender(toolbox: MeshToolbox): void {
    for (const sender of this.#init.senders()) toolbox.heard(this.#components.zoneOfCaller(sender));
    const own = this.#init.principal();
    // A sender that is an agent of this node may have read anything.
    if (own.kind === 'client' && own.taint !== undefined) toolbox.heard(own.taint);
  }

  /** The words of a prompt count as its spawner's, who named it. */
  async #instructions(toolbox: MeshToolbox, signal: AbortSignal): Promise<string> {
    const { instructions = '', prompt } = this.#init.mind;
    if (prompt === undefined) return instructions;
    const text = await toolbox.prompt(prompt, signal);
    if (Buffer.byteLength(text) > PROMPT_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_AGENT_FAILED',
        `the prompt '${prompt}' has over ${PROMPT_BYTES_MAX} bytes`,
        { hint: 'take a shorter one', data: { reason: 'prompt' } },
      );
    }
    return [instructions, text].filter((part) => part !== '').join('\n\n');
  }

  #system(instructions: string): string {
    const { agent, config, kind } = this.#init;
    const about = config === undefined ? '' : `\nWhat you were told: ${JSON.stringify(config)}`;
    return `You are the agent '${agent}' (${kind}) of a Starling node.\n${instructions}${about}`.trim();
  }

  #happened(event: ThoughtEvent): void {
    if (event.kind === 'calls') this.#wrote(`calls ${event.tool} ${event.args}`);
    if (event.kind === 'result') {
      this.#wrote(`${event.tool} ${event.isError ? 'failed' : 'gave'}: ${event.text}`);
    }
  }

  #wrote(line: string): void {
    this.#init.wrote(printable(line.slice(0, LOGGED_MAX)));
  }
}

/** A message to deal with, as data of its sender. */
function questionOf(message: JsonObject, mark: string): string {
  const { from, type } = message;
  const sender = printable(textOf(from).slice(0, 200));
  const told =
    type === 'query'
      ? 'Your answer is sent back to the sender.'
      : 'Nobody waits for an answer: do what it asks, and say in a sentence what you did.';
  const about = `A ${printable(textOf(type).slice(0, 40))} came from '${sender}', who may ask you for work that fits what you are for. ${told}`;
  return asData(mark, about, wordsOf(message));
}

/** What a message says, with what came beside. */
function wordsOf({ data, message: said }: JsonObject): string {
  const what = typeof said === 'string' ? said : JSON.stringify(said ?? null);
  return data === undefined ? what : `${what}\n${JSON.stringify(data)}`;
}

/** What was said before, as a chat: what the other one said as data, as then. */
function remindersOf({ said, summary }: Recalled, mark: string): readonly Json[] {
  const short = 'What was said before, in short:';
  const first =
    summary === undefined
      ? []
      : [{ role: 'user', content: asData(mark, short, summary.text) } satisfies JsonObject];
  return [
    ...first,
    ...said.map(({ role, text }) =>
      role === 'assistant'
        ? { role, content: text }
        : { role, content: asData(mark, 'Before, the sender said:', text) },
    ),
  ];
}

/** The conversation that a message belongs to, as its sender calls it. A task stands for itself. */
function sessionOf(message: JsonObject): string | undefined {
  const { metadata } = message;
  const session = isObject(metadata) ? metadata['session'] : undefined;
  if (typeof session !== 'string' || session === '' || taskOf(message) !== undefined)
    return undefined;
  return session.length > SESSION_CHARS_MAX ? undefined : session;
}

/** The id of the task that a message is, where it is one: its next attempt goes on where this one was. */
function taskOf({ metadata }: JsonObject): string | undefined {
  const task = isObject(metadata) ? metadata['task'] : undefined;
  const id = isObject(task) ? task['id'] : undefined;
  return typeof id === 'string' && /^[\w.-]{1,64}$/.test(id) ? id : undefined;
}

/** An answer that is a JSON object is given as one: who asked by a schema can read it. */
function valueOf(text: string): Json {
  if (!text.trim().startsWith('{')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? (value as JsonObject) : text;
  } catch {
    // It is a text that begins like an object.
    return text;
  }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** As of a process that has ended: what is no query stays in the inbox. */
function stopped(agent: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `agent ${agent} was stopped`);
}
