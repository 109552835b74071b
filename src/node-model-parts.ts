/** Makes the room of language models of one node, its door, and what serves its peers. */
import type { Runs } from './agents/index.ts';
import type { Audit } from './audit/index.ts';
import type { Spendings } from './budget/index.ts';
import type { Config } from './config/index.ts';
import type { Startable } from './core/index.ts';
import { createCertifier, createExchanger } from './gateway/index.ts';
import type { ModelsFace, SamplingFace } from './gateway/index.ts';
import type { Governance, Guard } from './guard/index.ts';
import type { Membership } from './membership/index.ts';
import {
  createBatches,
  createCutPrompts,
  createKeyAges,
  createModels,
  createModelsDoor,
  createPeerModels,
  createProviders,
  createQuotas,
  createRouter,
  createSampling,
  createTranscripts,
  createUsageBook,
  servePeers,
} from './models/index.ts';
import type {
  Batches,
  KeyAges,
  Models,
  PeerServingComponents,
  Transcripts,
} from './models/index.ts';
import type { Network } from './network/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { createOriginZones } from './node-thinking-parts.ts';

/** What the models stand on. */
export interface ModelRooms {
  readonly audit: Audit;
  readonly governance: Pick<Governance, 'guard' | 'sourceZones'>;
  /** Holds what uses may cost. */
  readonly spendings: Spendings;
  /** Who is meant by a link, of those for whom an agent of a peer works. */
  readonly runs: Pick<Runs, 'callerOf'>;
  readonly network: Network;
  readonly membership: Membership;
  /** Models as the configuration has them now, their secrets bound. */
  readonly modelConfig: () => Config['models'];
}

/** Makes the models and what serves their APIs. */
export function createModelParts(
  { config, clock, health, logger }: Base,
  state: OpenState,
  { audit, governance, membership, modelConfig, network, runs, spendings }: ModelRooms,
): {
  readonly models: Models;
  readonly batches: Batches;
  readonly transcripts: Transcripts;
  readonly keyAges: KeyAges;
  readonly modelsDoor: ModelsFace;
  readonly peerModels: Startable;
  readonly sampling: SamplingFace;
} {
  const { grants, identity, secrets, store } = state;
  const { messageBytes } = config.limits;
  const self = config.name;
  const guard = (): Guard => governance.guard;
  const callerOf: PeerServingComponents['callerOf'] = (link) => runs.callerOf(link);
  const log = logger.child('models');
  const certifier = createCertifier({ signer: identity, clock });
  const exchanger = createExchanger({ clock });
  const providers = createProviders({ config: modelConfig, exchanger, clock });
  const quotas = createQuotas(clock, () => modelConfig().quotas);
  const usage = createUsageBook({ table: store.table('model-usage'), clock, logger: log });
  const shared = { config: modelConfig, guard, audit, self, spendings, usage, clock, logger: log };
  const transcripts = createTranscripts(
    { config: modelConfig, table: store.table('model-transcripts'), clock, logger: log },
    { messageBytes },
  );
  const direct = createModels(
    {
      ...shared,
      transcripts,
      cutPrompts: createCutPrompts(health),
      exchanger,
      providers,
      peers: createPeerModels(
        { network, membership, grants, certifier, self, clock },
        { messageBytes },
      ),
    },
    { messageBytes },
  );
  const models = createRouter(
    { models: direct, config: modelConfig, quotas, clock },
    { messageBytes },
  );
  const batches = createBatches(
    { ...shared, providers, quotas, table: store.table('model-batches') },
    { messageBytes },
  );
  const keyAges = createKeyAges({ config: modelConfig, secrets, health, clock, logger: log });
  return {
    models,
    batches,
    transcripts,
    keyAges,
    modelsDoor: createModelsDoor({ models, clock }, { messageBytes }),
    sampling: createSampling(
      { models, config: modelConfig, zoneOf: createOriginZones(state, governance), clock },
      { messageBytes },
    ),
    peerModels: running([transcripts, models, batches, keyAges], () => {
      const own = { did: identity.did };
      const serving = { models, guard, network, membership, grants, callerOf, self: own };
      return servePeers({ ...serving, clock, logger: log }, { messageBytes });
    }),
  };
}

/** Starts the parts in their order, then serves; the other way round at the end. */
function running(parts: readonly Startable[], serve: () => () => void): Startable {
  let stopServing: (() => void) | undefined;
  return {
    async start() {
      for (const part of parts) await part.start();
      stopServing ??= serve();
    },
    async stop() {
      stopServing?.();
      stopServing = undefined;
      for (const part of parts.toReversed()) await part.stop();
    },
  };
}
