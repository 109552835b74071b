/**
 * The loop of an agent with a model: the model is asked, the calls that it wants are made by the rights of the agent, what
 * they give goes back, until it answers in words. Each step is on disk before it is acted on, so that a thought goes on
 * where it was when the node ends in between. A call that may have happened is not made again, unless that does no harm.
 */
import { createHash } from 'node:crypto';
import { StarlingError, isObject } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { CALLS_PER_TURN_MAX } from '../limits.ts';
import type {
  Step,
  StepLog,
  Thought,
  ThoughtEvent,
  ToolOutcome,
  Toolbox,
  UsableTool,
  WantedCall,
} from '../types.ts';
import { askModel } from './ask-model.ts';
import type { Turn, TurnInit, TurnModels } from './ask-model.ts';
import { functionsOf, messagesOf } from './conversation.ts';
import type { Opening } from './conversation.ts';

/** What a thought works with. */
export interface ThinkComponents {
  readonly models: TurnModels;
  /** Largest answer of a model. */
  readonly messageBytes: number;
}

/** One thought. */
export interface ThinkInit {
  readonly model: string;
  /** Whose model it is, and whose budget. */
  readonly asks: Principal;
  /** How often the model is asked, at the most; the last time without tools. */
  readonly steps: number;
  /** What the model is told first, with the mark around what others wrote. */
  opening(mark: string): Opening;
  readonly toolbox: Toolbox;
  readonly log: StepLog;
  readonly task?: string | undefined;
  readonly signal: AbortSignal;
  happened(event: ThoughtEvent): void;
}

/** Hex digits of what a call asks, in its idempotency key. */
const KEY_DIGITS = 16;
const UNSURE =
  'This call was under way when the node ended. Nobody knows whether it took effect, and it was not made again. Find out by looking before you make it once more.';

/**
 * Thinks until there is an answer; goes on where the log ends.
 * @throws STARLING_AGENT_FAILED with `data.reason` `steps`, what the model's call fails with, and what `signal` says
 */
export async function think(components: ThinkComponents, init: ThinkInit): Promise<Thought> {
  const thinker = new Thinker(components, init);
  return thinker.run();
}

class Thinker {
  readonly #components: ThinkComponents;
  readonly #init: ThinkInit;
  #input = 0;
  #output = 0;
  /** Of the turns that this run has had, where all are known. */
  readonly #costs: (number | undefined)[] = [];

  constructor(components: ThinkComponents, init: ThinkInit) {
    this.#components = components;
    this.#init = init;
  }

  async run(): Promise<Thought> {
    const { log, signal, toolbox } = this.#init;
    for (const step of log.steps) if (step.kind === 'result') toolbox.heard(step.zone);
    for (;;) {
      signal.throwIfAborted();
      const answered = log.steps.findLast((step) => step.kind === 'answered');
      if (answered !== undefined) return this.#thought(answered.text);
      const last = log.steps.at(-1);
      if (last?.kind === 'said' && last.calls.length === 0) {
        // The node may have ended between the two: the model has answered, and is not asked again.
        await log.add({ kind: 'answered', text: last.text });
        continue;
      }
      const open = openCalls(log.steps);
      if (open.length > 0) await this.#callAll(open);
      else await this.#turn();
    }
  }

  /** Asks the model once. */
  async #turn(): Promise<void> {
    const { asks, log, model, signal, steps, task, toolbox } = this.#init;
    const asked = log.steps.filter(({ kind }) => kind === 'said').length;
    if (asked >= steps) throw noAnswer(steps);
    const isLast = asked === steps - 1 && steps > 1;
    const { tools, others } = await toolbox.list(signal);
    const mark = markIn(log.steps);
    const opening = this.#init.opening(mark);
    const system = others === 0 ? opening.system : `${opening.system}\n${leftOut(others)}`;
    const turn = await this.#asked({
      model,
      asks,
      task,
      messages: messagesOf({ ...opening, system }, log.steps, { mark, isLast }),
      tools: isLast ? [] : functionsOf(tools),
      signal,
      said: (text) => this.#init.happened({ kind: 'text', text }),
    });
    this.#input += turn.input;
    this.#output += turn.output;
    this.#costs.push(turn.costMicroUsd);
    const calls = isLast ? [] : turn.calls;
    await log.add({ kind: 'said', text: turn.text, calls });
  }

  /** Once more where the answer can't be used, as small models write what is no JSON now and then. */
  async #asked(init: TurnInit): Promise<Turn> {
    const { messageBytes, models } = this.#components;
    try {
      return await askModel(models, init, messageBytes);
    } catch (error) {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_MODEL_INVALID') throw error;
      return askModel(models, init, messageBytes);
    }
  }

  async #callAll(open: readonly WantedCall[]): Promise<void> {
    const { log, signal, toolbox } = this.#init;
    const { tools } = await toolbox.list(signal);
    const wanted = lastCalls(log.steps);
    for (const call of open) {
      signal.throwIfAborted();
      const at = wanted.findIndex(({ id }) => id === call.id);
      const outcome = await this.#outcomeOf(call, tools, at);
      toolbox.heard(outcome.zone);
      await log.add({ kind: 'result', call: call.id, ...outcome });
      const { isError, text } = outcome;
      this.#init.happened({ kind: 'result', tool: call.tool, isError, text });
    }
  }

  async #outcomeOf(
    call: WantedCall,
    tools: readonly UsableTool[],
    at: number,
  ): Promise<ToolOutcome> {
    const { log, signal, toolbox } = this.#init;
    if (at >= CALLS_PER_TURN_MAX) {
      return failed(`not called: ${CALLS_PER_TURN_MAX} calls at a time are the most`);
    }
    const tool = tools.find(({ name }) => name === call.tool);
    if (tool === undefined) return failed('there is no such tool, or you may not use it');
    const args = argumentsOf(call.args);
    if (args === undefined) return failed('not called: its arguments are no JSON object');
    // Many models call each turn's first call the same: a call of an earlier turn is another one.
    const isBegun = ofThisTurn(log.steps).some(
      (step) => step.kind === 'calling' && step.call === call.id,
    );
    if (isBegun && !tool.isRepeatable) return failed(UNSURE);
    if (!isBegun) await log.add({ kind: 'calling', call: call.id });
    this.#init.happened({ kind: 'calls', tool: call.tool, args: call.args });
    return toolbox.call(tool, args, signal, this.#keyOf(call));
  }

  /**
   * Which call of the task it is, and what it asks. Another attempt that comes to the same call at the same point has the
   * same key, one that does something else there has another.
   */
  #keyOf({ args, tool }: WantedCall): string | undefined {
    const { log, task } = this.#init;
    if (task === undefined) return undefined;
    // Calls are made one after the other: this is the one that began last.
    const nth = log.steps.filter(({ kind }) => kind === 'calling').length;
    const what = createHash('sha256').update(`${tool}\n${args}`).digest('hex');
    return `${task}/${nth}/${what.slice(0, KEY_DIGITS)}`;
  }

  #thought(text: string): Thought {
    const steps = this.#init.log.steps.filter(({ kind }) => kind === 'said').length;
    const known = this.#costs.flatMap((cost) => cost ?? []);
    const isWhole = steps > 0 && known.length === steps;
    return {
      text,
      steps,
      inputTokens: this.#input,
      outputTokens: this.#output,
      ...(isWhole ? { costMicroUsd: known.reduce((sum, cost) => sum + cost, 0) } : {}),
    };
  }
}

/** The calls that the model wanted last. */
function lastCalls(steps: readonly Step[]): readonly WantedCall[] {
  return steps.findLast((step) => step.kind === 'said')?.calls ?? [];
}

/** What came since the model said something last. */
function ofThisTurn(steps: readonly Step[]): readonly Step[] {
  return steps.slice(steps.findLastIndex(({ kind }) => kind === 'said') + 1);
}

/** Those of them that have no result yet. */
function openCalls(steps: readonly Step[]): readonly WantedCall[] {
  const done = new Set(
    ofThisTurn(steps).flatMap((step) => (step.kind === 'result' ? [step.call] : [])),
  );
  return lastCalls(steps).filter(({ id }) => !done.has(id));
}

function markIn(steps: readonly Step[]): string {
  const begun = steps.find((step) => step.kind === 'begun');
  if (begun === undefined) throw new Error('a thought has not begun');
  return begun.mark;
}

function argumentsOf(text: string): JsonObject | undefined {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // The model is told.
    return undefined;
  }
}

/** The node's own words come from here. */
function failed(text: string): ToolOutcome {
  return { text, isError: true, zone: 'local' };
}

function leftOut(others: number): string {
  return `There are ${others} more tools that you are not shown.`;
}

function noAnswer(steps: number): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `the model was asked ${steps} times and gave no answer`,
    { hint: 'ask for less at once, or allow more steps', data: { reason: 'steps' } },
  );
}
