/**
 * What stands for the process of an agent that thinks with a model: given messages as a process is, it thinks about each,
 * and its answer is what the model said in the end.
 */
import { StarlingError, isObject, printable, withDeadline } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger } from '../../core/index.ts';
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
import { Lessons } from './lessons.ts';
import type { Lesson, LessonsComponents } from './lessons.ts';
import type { StepRowsComponents } from '../step-rows.ts';
import type { StepLog, Thought, ThoughtEvent } from '../types.ts';

/** What minds work with. */
export interface MindsComponents
  extends ThinkComponents, ToolboxComponents, StepRowsComponents, LessonsComponents {
  /** How somebody came for whom an agent works. */
  zoneOfCaller(principal: Principal): Zone;
  /** Conversations that go on from one message to the next. */
  readonly contexts: Recollection;
  /** Tokens that fit into a model, or into the smallest of a route. */
  contextTokensOf(model: string, principal: Principal): number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one thought takes. */
interface Thinking {
  readonly before: Recalled | undefined;
  readonly lesson: Lesson;
  readonly log: StepLog;
  readonly toolbox: MeshToolbox;
  readonly signal: AbortSignal;
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
  readonly #lessons: Lessons;
  readonly #life = new AbortController();
  #end: (error: StarlingError) => void = () => undefined;

  constructor(components: MindsComponents, init: MindStart) {
    this.#components = components;
    this.#init = init;
    this.#lessons = new Lessons(components, init);
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

  learned(): Promise<void> | undefined {
    return this.#lessons.pending();
  }

  /** What came of its messages is on the disk, or could not be brought there, before it is over. */
  async close(): Promise<void> {
    const error = stopped(this.#init.agent);
    this.#life.abort(error);
    await this.#lessons.pending();
    this.#end(error);
  }

  async #answer(message: JsonObject, sender: string, signal: AbortSignal): Promise<Json> {
    const { agent, asks, owner } = this.#init;
    const { contexts } = this.#components;
    const from = textOf(message['from']);
    const id = taskOf(message) ?? textOf(message['messageId']);
    const { type, message: said = null, data = null } = message;
    const text = JSON.stringify([type ?? null, said, data]);
    const log = await openSteps(this.#components, { agent, from, message: id, text });
    const goesOn = log.steps.length > 1 ? `, which goes on after ${log.steps.length} steps` : '';
    this.#wrote(`message from ${from}${goesOn}`);
    const toolbox = createMeshToolbox(this.#components, () => this.#init.principal());
    const work = { sender, reference: id, ...workIn(message) };
    let lesson: Lesson | undefined;
    try {
      lesson = await this.#lessons.begin(work, log);
      this.#heardSender(toolbox);
      const session = sessionOf(message);
      const context = session === undefined ? undefined : { agent, owner, from, sender, session };
      const { model } = lesson.mind;
      const contextTokens = this.#components.contextTokensOf(model, asks);
      const before =
        context === undefined ? undefined : await contexts.recall(context, contextTokens);
      if (before !== undefined) toolbox.heard(zoneOfRecalled(before));
      // What was learned from an untrusted zone is as little trusted as what is read from there.
      if (lesson.reminder !== undefined) toolbox.heard(lesson.reminder.zone);
      const thought = await this.#thought(message, { before, lesson, log, signal, toolbox });
      // Whoever is given the answer is given what the agent has read.
      if (toolbox.zone !== 'local') this.#init.heard(toolbox.zone);
      const { inputTokens, outputTokens, steps } = thought;
      this.#wrote(`answered after ${steps} turns, ${inputTokens} + ${outputTokens} tokens`);
      if (context !== undefined) {
        await this.#keep(context, message, thought.text, toolbox.zone);
        contexts.compress(context, { model, asks, contextTokens });
      }
      const value = valueOf(thought.text);
      lesson.answered(value, thought, toolbox.zone);
      return value;
    } catch (error) {
      // A stop says nothing of how it would have ended.
      if (!this.#life.signal.aborted) lesson?.failed(error, toolbox.zone);
      throw error;
    } finally {
      toolbox.close();
      log.close();
    }
  }

  async #thought(
    message: JsonObject,
    { before, lesson, log, signal, toolbox }: Thinking,
  ): Promise<Thought> {
    const { mind, reminder } = lesson;
    const instructions = await this.#instructions(mind, toolbox, signal);
    return think(this.#components, {
      model: mind.model,
      asks: this.#init.asks,
      steps: mind.steps,
      toolbox,
      log,
      task: taskOf(message),
      opening: (mark) => ({
        system: this.#system(instructions),
        question: questionOf(message, mark),
        before: [
          ...(before === undefined ? [] : remindersOf(before, mark)),
          ...(reminder === undefined ? [] : [experiencesOf(reminder.text, mark)]),
        ],
      }),
      signal,
      happened: (event) => this.#happened(event),
    });
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
  async #instructions(
    { instructions = '', prompt }: MindStart['mind'],
    toolbox: MeshToolbox,
    signal: AbortSignal,
  ): Promise<string> {
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

/** What came of earlier messages like this one, as data: whoever wrote to the agent may have written it. */
function experiencesOf(text: string, mark: string): Json {
  const about =
    'What came of earlier messages like the next one. It may be wrong, or of no use here; take from it what helps.';
  return { role: 'user', content: asData(mark, about, text) };
}

/** What is asked, and which capability is wanted, as the message says. */
function workIn(message: JsonObject): { readonly situation: string; readonly capability?: string } {
  const { metadata } = message;
  const capability = isObject(metadata) ? metadata['capability'] : undefined;
  const situation = wordsOf(message);
  return typeof capability === 'string' ? { situation, capability } : { situation };
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
