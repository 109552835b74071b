/** How a team could do something, as a model proposes it: words alone, which whoever wanted them judges. */
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { askModel } from '../loop/ask-model.ts';
import type { ThinkComponents } from '../loop/think.ts';
import { objectIn } from './plan.ts';

/** What is to be done, and what those who are there can do. */
export interface ProposePhases {
  readonly model: string;
  /** Whose model it is, and whose budget. */
  readonly principal: Principal;
  readonly description: string;
  /** What members can do, each once. */
  readonly capabilities: readonly string[];
  /** Those of them that the plan must have. */
  readonly required: readonly string[];
  /** Phases of one plan, at the most. */
  readonly phasesMax: number;
  readonly signal: AbortSignal;
}

const SYSTEM = [
  'You plan how a team does a piece of work. You do none of it.',
  'Answer with one JSON object and nothing else: {"phases": [{"name": "a short name", "capability": "one of the list", "dependencies": ["names of phases that must be done before"], "role": "worker"}]}.',
  'Phases that wait for none of the others are done at once. A phase with the role "validator" checks the phases that it depends on.',
  'Use capabilities of the list alone, and as few phases as will do.',
].join('\n');

/** Asks the model; gives the object that it answered with. @throws STARLING_MODEL_INVALID, and what the model's call fails with */
export async function proposePhases(
  { messageBytes, models }: ThinkComponents,
  { capabilities, description, model, phasesMax, principal, required, signal }: ProposePhases,
): Promise<JsonObject> {
  const must = required.length === 0 ? [] : [`The plan must have: ${required.join(', ')}`];
  const told = [
    `Capabilities: ${capabilities.join(', ')}`,
    ...must,
    `Phases: ${phasesMax} at most`,
  ];
  const turn = await askModel(
    models,
    {
      model,
      asks: principal,
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: `${told.join('\n')}\n\nThe work:\n${description}` },
      ],
      tools: [],
      signal,
      said: () => undefined,
    },
    messageBytes,
  );
  const value = objectIn(turn.text);
  if (value !== undefined) return value;
  throw new StarlingError('STARLING_MODEL_INVALID', `the model ${model} gave no plan in JSON`, {
    hint: 'ask again, or take another model; without one the plan is made of the capabilities that you name',
  });
}
