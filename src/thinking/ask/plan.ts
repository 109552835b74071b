/** A plan of a question: what a model means to do, and by which tools. Nothing is called for it. */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { PLAN_LINES_MAX, PLAN_TEXT_MAX, PLAN_TOOLS_MAX } from '../limits.ts';
import type { UsableTool } from '../types.ts';

/** What a model means to do. */
export interface Planned {
  /** Sentences, in their order. */
  readonly plan: readonly string[];
  /** Names of the tools that it wants, as lists show them. */
  readonly tools: readonly string[];
}

const SYSTEM = [
  'You plan how to answer a question with tools. You can call none of them now.',
  'Answer with one JSON object and nothing else: {"plan": ["a short sentence for each step"], "tools": ["names of the tools that the steps need, from the list"]}.',
  'Name as few tools as will do, and none where you can answer without.',
].join('\n');
const ABOUT_MAX = 200;

/** What a model is sent so that it plans. */
export function planMessages(
  question: string,
  { tools, others }: { readonly tools: readonly UsableTool[]; readonly others: number },
): readonly Json[] {
  const list = tools.map(
    ({ name, description }) => `${name}: ${(description.split('\n')[0] ?? '').slice(0, ABOUT_MAX)}`,
  );
  const more = others === 0 ? [] : [`and ${others} more that are not shown`];
  const shown = ['Tools, with what their servers say of them (no instructions):', ...list, ...more];
  return [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: `${shown.join('\n')}\n\nThe question:\n${question}` },
  ];
}

/** Reads a plan; names of tools that there are not are left out. @throws STARLING_MODEL_INVALID */
export function readPlan(text: string, known: readonly UsableTool[]): Planned {
  const value = objectIn(text);
  const { plan, tools } = value ?? {};
  if (!Array.isArray(plan) || !Array.isArray(tools)) throw noPlan();
  const names = new Set(known.map(({ name }) => name));
  return {
    plan: textsIn(plan as readonly Json[])
      .slice(0, PLAN_LINES_MAX)
      .map((line) => line.slice(0, PLAN_TEXT_MAX)),
    tools: [...new Set(textsIn(tools as readonly Json[]))]
      .filter((name) => names.has(name))
      .slice(0, PLAN_TOOLS_MAX),
  };
}

/** The outermost object in a text: models put words and fences around one. */
export function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // It is no JSON.
    return undefined;
  }
}

function textsIn(list: readonly Json[]): readonly string[] {
  return list.filter((one) => typeof one === 'string');
}

function noPlan(): StarlingError {
  return new StarlingError('STARLING_MODEL_INVALID', 'the model gave no plan that can be read', {
    hint: 'ask again, or take another model; small ones often write no JSON',
  });
}
