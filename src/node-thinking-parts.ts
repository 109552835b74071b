/** What agents of a node that think with a model stand on. */
import type { Runs, RunsComponents } from './agents/index.ts';
import type { Blackboard } from './blackboard/index.ts';
import type { ModelsConfig } from './config/index.ts';
import { createContexts } from './contexts/index.ts';
import type { Contexts } from './contexts/index.ts';
import { BUILTIN_SERVER, StarlingError, printable } from './core/index.ts';
import type { BuiltinTool, Gateway, ToolOrigin } from './gateway/index.ts';
import { OPERATOR, leastTrusted, scopesCover } from './guard/index.ts';
import type { Governance, Principal, Zone } from './guard/index.ts';
import { boxOpenerOf, peerIdFromDid, sealerOf } from './identity/index.ts';
import { createLearning } from './learning/index.ts';
import type { Learning } from './learning/index.ts';
import type { Membership } from './membership/index.ts';
import { CONTEXT_TOKENS_MIN, modelResource, readModelName } from './models/index.ts';
import type { Models } from './models/index.ts';
import { meshOf } from './open-state.ts';
import type { Base, OpenState } from './open-state.ts';
import { CONTEXTS_TABLE } from './secrets/index.ts';
import { askTools, startMind } from './thinking/index.ts';
import type { AskComponents } from './thinking/index.ts';

/** As grants name the node's own tools. */
const NODE_TOOLS = `tool:${BUILTIN_SERVER}/`;
/** Ollama takes a name without a tag for the one with this. */
const ANY_TAG = ':latest';
/** How many models an error names. */
const NAMED_MAX = 8;

/** The rooms that thinking needs; those that are made later are asked for when they are used. */
export interface ThinkingRooms {
  readonly governance: Pick<Governance, 'callerRules' | 'sourceZones'>;
  readonly modelConfig: () => ModelsConfig;
  readonly models: () => Models;
  readonly gateway: () => Pick<Gateway, 'innerCaller'>;
  readonly contexts: Contexts;
  readonly learning: Learning;
}

/** Makes what keeps the conversations of agents. */
export function createNodeContexts(
  { clock, config, logger }: Pick<Base, 'clock' | 'config' | 'logger'>,
  { identity, store }: Pick<OpenState, 'identity' | 'store'>,
  {
    blackboard,
    membership,
    models,
  }: { readonly blackboard: Blackboard; readonly membership: Membership } & Pick<
    ThinkingRooms,
    'models'
  >,
): Contexts {
  const { name, label } = CONTEXTS_TABLE;
  return createContexts({
    blackboard,
    table: store.table(name),
    lines: store.table('context-lines'),
    sealer: sealerOf(identity, label),
    openBox: boxOpenerOf(identity),
    self: identity.did,
    isHere: (did) => membership.peer(peerIdFromDid(did))?.state === 'alive',
    models,
    messageBytes: config.limits.messageBytes,
    clock,
    logger: logger.child('contexts'),
  });
}

/** Makes what keeps what agents learn; `runs` is made later. */
export function createNodeLearning(
  { clock, logger, random }: Pick<Base, 'clock' | 'logger' | 'random'>,
  { store }: Pick<OpenState, 'store'>,
  { governance, runs }: Pick<ThinkingRooms, 'governance'> & { readonly runs: () => Runs },
): Learning {
  return createLearning({
    table: store.table('learning'),
    learners: {
      find: (name) => runs().learnerOf(name),
      all: () => runs().learners(),
    },
    zoneOf: (principal) => governance.callerRules.of(principal).zone,
    clock,
    random,
    logger: logger.child('learning'),
  });
}

/** Makes what starts agents with a model. */
export function createThinkingParts(
  { clock, config, logger }: Base,
  state: OpenState,
  { contexts, gateway, governance, learning, modelConfig, models }: ThinkingRooms,
): Required<Pick<RunsComponents, 'modelScopes' | 'requireModelThere' | 'startMind'>> {
  const { callerRules, sourceZones } = governance;
  const asking = (): AskComponents =>
    askingOf(
      { clock, messageBytes: config.limits.messageBytes },
      { gateway, models, sourceZones, state },
    );
  return {
    startMind: (init) =>
      startMind(
        {
          ...asking(),
          contexts,
          learning,
          mayAsk: (model, principal) =>
            scopesOf({ models: models(), modelConfig }, model, principal).length > 0,
          zoneOfCaller: (principal) => callerRules.of(principal).zone,
          contextTokensOf: (model, principal) =>
            contextTokensOf({ models: models(), modelConfig }, model, principal),
          table: state.store.table('thinking'),
          clock,
          logger: logger.child('thinking'),
        },
        init,
      ),
    modelScopes: (model, principal) =>
      scopesOf({ models: models(), modelConfig }, model, principal),
    requireModelThere: (model, principal, signal) =>
      requireModelThere({ models: models(), modelConfig }, { model, principal, signal }),
  };
}

/** What a loop between a model and the tools of somebody works with. */
function askingOf(
  { clock, messageBytes }: Pick<AskComponents, 'clock' | 'messageBytes'>,
  {
    gateway,
    models,
    sourceZones,
    state,
  }: Pick<ThinkingRooms, 'gateway' | 'models'> &
    Pick<Governance, 'sourceZones'> & { readonly state: Pick<OpenState, 'ownMesh'> },
): AskComponents {
  return {
    models: models(),
    messageBytes,
    innerCaller: (principal) => gateway().innerCaller(principal),
    zoneOf: createOriginZones(state, { sourceZones }),
    clock,
  };
}

/** Says from which zone comes what a tool gives. */
export function createOriginZones(
  state: Pick<OpenState, 'ownMesh'>,
  { sourceZones }: Pick<Governance, 'sourceZones'>,
): (origin: ToolOrigin) => Zone {
  return ({ resource, peer }) => {
    if (peer === undefined) {
      const own = sourceZones(resource, undefined);
      if (!resource.startsWith(NODE_TOOLS)) return own;
      // Answers of agents, boards and lists of peers hold what any member may have written.
      return leastTrusted([own, meshOf(state).open ? 'external' : 'trusted']) ?? own;
    }
    const { alias, did, peerId } = peer;
    return sourceZones(resource, { kind: 'peer', peerId, did, alias });
  };
}

/** The tool `ask` of this node. */
export function createAskTools(
  { clock, config }: Pick<Base, 'clock' | 'config'>,
  state: Pick<OpenState, 'ownMesh'>,
  { gateway, governance, models }: Omit<ThinkingRooms, 'contexts' | 'learning' | 'modelConfig'>,
): readonly BuiltinTool[] {
  const { sourceZones } = governance;
  const init = { clock, messageBytes: config.limits.messageBytes };
  // The gateway is made later than its tools.
  const made = (): AskComponents => askingOf(init, { gateway, models, sourceZones, state });
  return askTools({
    ...init,
    models: { ask: (...call) => models().ask(...call) },
    innerCaller: (...call) => made().innerCaller(...call),
    zoneOf: (origin) => made().zoneOf(origin),
  });
}

/** Of a model, or of the models of a route: those that `principal` has. */
function scopesOf(
  { models, modelConfig }: { readonly models: Models; readonly modelConfig: () => ModelsConfig },
  name: string,
  principal: Principal,
): readonly string[] {
  const names = namesIn(modelConfig(), name);
  const scopes = names.flatMap((one) => [
    ...resourcesOf(one),
    // In full, where a peer is known to have it.
    ...resourcesOf(models.about(one, principal)?.name ?? one),
  ]);
  return [...new Set(scopes)].filter(
    (scope) =>
      principal.kind === OPERATOR.kind ||
      (principal.kind === 'client' && scopesCover(principal.scopes, scope)),
  );
}

/** Of a route the smallest, since any of its models may answer; of what nobody knows as for a small one. */
function contextTokensOf(
  { models, modelConfig }: { readonly models: Models; readonly modelConfig: () => ModelsConfig },
  name: string,
  principal: Principal,
): number {
  const known = namesIn(modelConfig(), name).flatMap(
    (one) => models.about(one, principal)?.contextTokens ?? [],
  );
  return known.length === 0 ? CONTEXT_TOKENS_MIN : Math.min(...known);
}

/** The models that a name stands for: those of a route, or itself. */
function namesIn({ routes }: ModelsConfig, name: string): readonly string[] {
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  return route === undefined ? [name] : [...route.models, ...route.fallbacks];
}

/**
 * What a server on this machine or its network lists is all that it has; vendors answer by names that they do not list, and
 * whoever does not answer now may have anything. @throws STARLING_MODEL_UNKNOWN
 */
async function requireModelThere(
  { models, modelConfig }: { readonly models: Models; readonly modelConfig: () => ModelsConfig },
  init: {
    readonly model: string;
    readonly principal: Principal;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { model, principal, signal } = init;
  const names = namesIn(modelConfig(), model);
  const usable = names.flatMap((name) => models.about(name, principal) ?? []);
  if (usable.some(({ tier }) => tier !== 'edge')) return;
  const { models: listed, failures } = await models.list(principal, signal);
  const there = listed.map(({ name }) => name);
  const isThere = usable.some(
    ({ name }) =>
      there.includes(name) ||
      there.includes(`${name}${ANY_TAG}`) ||
      failures.some(({ from }) => from === providerOf(name)),
  );
  if (isThere) return;
  const some = there.slice(0, NAMED_MAX).map((name) => printable(name));
  const more = there.length > NAMED_MAX ? `, and ${there.length - NAMED_MAX} more` : '';
  throw new StarlingError(
    'STARLING_MODEL_UNKNOWN',
    `no agent with the model '${printable(model.slice(0, 300))}': nobody has such a model`,
    {
      hint:
        some.length === 0
          ? 'there are none yet: starling model add --help'
          : `there are ${some.join(', ')}${more}: starling model list`,
    },
  );
}

function providerOf(name: string): string {
  return readModelName(name).provider;
}

/** What a name may stand for: a model of this node, or of the one peer that has it. */
function resourcesOf(name: string): readonly string[] {
  try {
    const read = readModelName(name);
    const resource = modelResource(read);
    return read.peer === undefined
      ? [resource, resource.replace('model:', 'model:@*/')]
      : [resource];
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}
