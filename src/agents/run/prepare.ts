/** What an agent needs to run: its kind as it is now, the model that it thinks with, and what bounds its processes. */
import type { AgentKind, AgentMind, Config } from '../../config/index.ts';
import { StarlingError } from '../../core/index.ts';
import { OPERATOR, keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import { definitionFault } from '../capabilities/schemas.ts';
import { planLimits } from './process-limits.ts';
import type { LimitMeans, LimitPlan } from './process-limits.ts';
import type { RunnableKind, RunRow } from './rows.ts';
import { SHIPPED_KINDS } from './shipped-kinds.ts';
import { failedKind, unknownKind } from './spawn-errors.ts';

/** What preparing takes. */
export interface PrepareComponents {
  /** `agents` of the configuration as it is now, its secrets bound. */
  config(): Config['agents'];
  /** Why no sandbox can be put around a process, and what to do; undefined where one can. */
  noSandbox(): Promise<{ readonly why: string; readonly hint: string } | undefined>;
  /**
   * The scopes by which `principal` may use a model, or those of a route that it may use, or `[]` where there are none.
   * Absent where the node has no models.
   */
  readonly modelScopes?: (model: string, principal: Principal) => readonly string[];
  /**
   * Looks whether anybody has the model, or one of a route. Absent where the node has no models.
   * @throws STARLING_MODEL_UNKNOWN, which names those that there are
   */
  readonly requireModelThere?: (
    model: string,
    principal: Principal,
    signal: AbortSignal,
  ) => Promise<void>;
  readonly limits: LimitMeans;
}

/** What runs, and within which bounds. */
export interface Prepared {
  readonly kind: RunnableKind;
  readonly limits: LimitPlan;
}

/** The model that somebody wants an agent to think with, in place of its kind's. */
export type WantedMind = Partial<Pick<AgentMind, 'model' | 'prompt'>>;

/** In place of what keeps files from a process. */
const NO_PROCESS = 'no process';

/** What an agent is given that has none of its own process: nothing of the machine. */
const NO_LIMITS: LimitPlan = { within: [], applied: { enforcedBy: { files: NO_PROCESS } } };

/**
 * The kind called `name`: of the configuration, or of those that come with the node.
 * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED, STARLING_USAGE where it has a program and a model is wanted
 */
export function findKind(
  kinds: Readonly<Record<string, AgentKind>>,
  name: string,
  wanted: WantedMind,
): { readonly kind: AgentKind; readonly isShipped: boolean } {
  const own = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  const shipped = Object.hasOwn(SHIPPED_KINDS, name) ? SHIPPED_KINDS[name] : undefined;
  const kind = own ?? shipped;
  if (kind === undefined) throw unknownKind(name, Object.keys({ ...SHIPPED_KINDS, ...kinds }));
  const isMeant = wanted.model !== undefined || wanted.prompt !== undefined;
  if (kind.thinks === undefined) {
    if (isMeant) throw notThinking(name);
    if (kind.server === undefined) throw failedKind(name, kind.problems);
    return { kind, isShipped: false };
  }
  const thinks = withWanted(kind.thinks, wanted);
  const faults = answerFaults(thinks);
  if (faults.length > 0) throw failedKind(name, faults);
  if (thinks.model === '') {
    throw new StarlingError('STARLING_USAGE', `the kind '${name}' has no model to think with`, {
      hint: `name one: starling agent spawn ${name} --model <provider>/<model>; see: starling model list`,
    });
  }
  return { kind: { ...kind, thinks }, isShipped: own === undefined };
}

/** The scopes by which an agent of `spawner` asks its model. @throws STARLING_CALL_REFUSED */
function requireModel(
  { modelScopes }: PrepareComponents,
  model: string,
  spawner: Principal,
): readonly string[] {
  const scopes = modelScopes?.(model, spawner) ?? [];
  if (scopes.length > 0) return scopes;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `no agent with the model '${model.slice(0, 300)}': there is none of that name that its spawner may use`,
    { hint: 'see which there are: starling model list', data: { reason: 'model' } },
  );
}

/** The scopes of the model, and of those of its ways: a way whose model the spawner has not is never taken. */
export function requireModels(
  components: PrepareComponents,
  { learning, model }: AgentMind,
  spawner: Principal,
): readonly string[] {
  const main = requireModel(components, model, spawner);
  const others = Object.values(learning?.ways ?? {}).flatMap(({ model: other }) =>
    other === undefined ? [] : (components.modelScopes?.(other, spawner) ?? []),
  );
  return [...new Set([...main, ...others])];
}

/** What a spawner has named, no way names otherwise. */
function withWanted(thinks: AgentMind, wanted: WantedMind): AgentMind {
  const { learning } = thinks;
  const merged = { ...thinks, ...wanted };
  if (learning === undefined) return merged;
  const ways = Object.entries(learning.ways).filter(([, way]) => {
    const isOtherModel = wanted.model !== undefined && way.model !== undefined;
    const isOtherPrompt =
      wanted.prompt !== undefined && (way.prompt !== undefined || way.instructions !== undefined);
    return !isOtherModel && !isOtherPrompt;
  });
  return { ...merged, learning: { ...learning, ways: Object.fromEntries(ways) } };
}

/** Why a schema of answers can't be used, if so: what is not checked would count as a success. */
function answerFaults({ learning }: AgentMind): readonly string[] {
  return Object.entries(learning?.answers ?? {}).flatMap(([work, output]) => {
    const fault = definitionFault({ output });
    return fault === undefined ? [] : [`learning.answers.${work}: ${fault}`];
  });
}

/** Finds all that `row` needs. `turn` spreads agents over the cores. @throws as `Runs.spawn` */
export async function prepare(
  components: PrepareComponents,
  row: RunRow,
  turn: number,
): Promise<Prepared> {
  const { kind } = findKind(components.config().kinds, row.kind, row.thinks ?? {});
  const { thinks } = kind;
  if (thinks !== undefined) {
    requireNoBounds(row);
    const isOperators = row.owner === keyOf(OPERATOR);
    const modelScopes =
      row.thinks === undefined || isOperators
        ? requireModels(components, thinks, OPERATOR)
        : row.thinks.scopes;
    return { kind: { ...kind, mind: { ...thinks, scopes: modelScopes } }, limits: NO_LIMITS };
  }
  const plan = planLimits(row.resources, kind, components.limits, turn);
  const none = await unconfined(components, row.kind, kind);
  const files = none === undefined ? { files: 'sandbox' } : {};
  const { applied } = plan;
  const enforcedBy = { ...applied.enforcedBy, ...files };
  return { kind, limits: { ...plan, applied: { ...applied, enforcedBy } } };
}

/** Why nothing stands around a process of the kind; refused where the operator does not allow that. */
async function unconfined(
  components: PrepareComponents,
  name: string,
  { server }: AgentKind,
): Promise<string | undefined> {
  const none =
    server?.sandbox === false
      ? {
          why: `"sandbox": false in agents.kinds.${name}`,
          hint: 'take "sandbox": false away, or set agents.unconfined: true',
        }
      : await components.noSandbox();
  if (none === undefined) return undefined;
  if (components.config().unconfined) return none.why;
  throw new StarlingError('STARLING_AGENT_FAILED', `not spawned without a sandbox: ${none.why}`, {
    hint: none.hint,
    data: { reason: 'sandbox' },
  });
}

/** @throws STARLING_AGENT_FAILED */
function requireNoBounds({ resources }: RunRow): void {
  const wanted = Object.entries(resources)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key]) => key);
  if (wanted.length === 0) return;
  throw new StarlingError(
    'STARLING_AGENT_FAILED',
    `not spawned: ${wanted.join(', ')} can't bound an agent with a model, which has no process of its own`,
    { hint: 'bound what it spends by a budget', data: { reason: 'resources' } },
  );
}

function notThinking(name: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `agents of the kind '${name}' are a program, and take no model and no prompt`,
    { hint: 'a kind with a model: "model" in place of "command" in agents.kinds.<name>' },
  );
}
