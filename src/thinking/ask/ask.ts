/**
 * A question that a model answers with the tools of whoever asks. First it says what it means to do, and by which tools; then it
 * may call those that the asker has agreed to, by the asker's rights and by no others.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { attachedClient } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import { askModel } from '../loop/ask-model.ts';
import { createMeshToolbox } from '../loop/mesh-toolbox.ts';
import type { MeshToolbox, ToolboxComponents } from '../loop/mesh-toolbox.ts';
import { think } from '../loop/think.ts';
import type { ThinkComponents } from '../loop/think.ts';
import { passingSteps } from '../step-rows.ts';
import type { AskPlanResult, AskResult, ThoughtEvent } from '../types.ts';
import { planMessages, readPlan } from './plan.ts';

/** What questions are answered with. */
export interface AskComponents extends ThinkComponents, ToolboxComponents {
  readonly clock: Pick<Clock, 'now'>;
}

/** A question, and who asks it. */
export interface AskInit {
  readonly question: string;
  readonly model: string;
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

/** Who calls tools for a question of the operator: no client can have that name. */
const FOR_OPERATOR = 'operator:ask';
const AGENT = 'agent:';
const ITSELF = 'starling__ask';
const SYSTEM =
  'You answer a question with the tools that you are given. Whoever asks has agreed to these tools for this question, and to no others.';

/** What the model means to do. @throws STARLING_MODEL_INVALID, STARLING_CALL_REFUSED, and what the model's call fails with */
export async function planQuestion(
  components: AskComponents,
  { question, model, principal, signal }: AskInit,
): Promise<AskPlanResult> {
  const toolbox = createMeshToolbox(components, () => askerOf(principal), isAskable);
  try {
    const listed = await toolbox.list(signal);
    const turn = await askModel(
      components.models,
      {
        model,
        asks: principal,
        messages: planMessages(question, listed),
        tools: [],
        signal,
        said: () => undefined,
      },
      components.messageBytes,
    );
    return { ...readPlan(turn.text, listed.tools), model };
  } finally {
    toolbox.close();
  }
}

/** Answers with `tools` alone, by the names that lists show. @throws as {@link planQuestion}, STARLING_AGENT_FAILED */
export async function answerQuestion(
  components: AskComponents,
  { question, model, principal, signal }: AskInit,
  how: {
    readonly tools: readonly string[];
    readonly steps: number;
    happened(event: ThoughtEvent): void;
  },
): Promise<AskResult> {
  const toolbox = boundToolbox(components, principal, how.tools);
  const begunAt = components.clock.now();
  const used: string[] = [];
  try {
    const thought = await think(components, {
      model,
      asks: principal,
      steps: how.steps,
      opening: () => ({ system: SYSTEM, question }),
      toolbox,
      log: passingSteps(begunAt),
      signal,
      happened(event) {
        if (event.kind === 'calls') used.push(event.tool);
        how.happened(event);
      },
    });
    return {
      response: thought.text,
      model,
      steps: thought.steps,
      calls: used,
      input_tokens: thought.inputTokens,
      output_tokens: thought.outputTokens,
      took_ms: components.clock.now() - begunAt,
    };
  } finally {
    toolbox.close();
  }
}

/** The rights of the asker, cut down to these tools. */
function boundToolbox(
  components: AskComponents,
  principal: Principal,
  tools: readonly string[],
): MeshToolbox {
  const asker = askerOf(principal);
  const looking = components.innerCaller(() => asker);
  try {
    const scopes = tools
      .filter(isAskable)
      .map((name) => looking.originOf(name)?.resource)
      .filter((resource) => resource !== undefined);
    const bound = { ...asker, scopes };
    return createMeshToolbox(
      components,
      () => bound,
      (name) => tools.includes(name),
    );
  } finally {
    looking.close();
  }
}

/** The operator asks as a client that is attached, which may change no rights. @throws STARLING_CALL_REFUSED */
function askerOf(principal: Principal): Extract<Principal, { kind: 'client' }> {
  if (principal.kind === 'operator') return FOR_OPERATOR_PRINCIPAL;
  if (principal.kind === 'client' && !principal.name.startsWith(AGENT)) return principal;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    'only the operator and clients of this node ask with their tools: an agent has a loop of its own',
    { data: { reason: 'rights' } },
  );
}

const FOR_OPERATOR_PRINCIPAL = attachedClient(FOR_OPERATOR);

/** A question in a question would have no end. */
function isAskable(name: string): boolean {
  return name !== ITSELF;
}
