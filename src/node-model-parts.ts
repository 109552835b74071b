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
  createModels,
  createModelsDoor,
  createPeerModels,
  createRouter,
  createSampling,
  createUsageBook,
  servePeers,
} from './models/index.ts';
import type { Models, PeerServingComponents } from './models/index.ts';
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
  { config, clock, logger }: Base,
  state: OpenState,
  { audit, governance, membership, modelConfig, network, runs, spendings }: ModelRooms,
): {
  readonly models: Models;
  readonly modelsDoor: ModelsFace;
  readonly peerModels: Startable;
  readonly sampling: SamplingFace;
} {
  const { grants, identity, store } = state;
  const { messageBytes } = config.limits;
  const self = config.name;
  const guard = (): Guard => governance.guard;
  const callerOf: PeerServingComponents['callerOf'] = (link) => runs.callerOf(link);
  const log = logger.child('models');
  const certifier = createCertifier({ signer: identity, clock });
  const direct = createModels(
    {
      config: modelConfig,
      exchanger: createExchanger({ clock }),
      guard,
      audit,
      self,
      spendings,
      peers: createPeerModels(
        { network, membership, grants, certifier, self, clock },
        { messageBytes },
      ),
      usage: createUsageBook({ table: store.table('model-usage'), clock, logger: log }),
      clock,
      logger: log,
    },
    { messageBytes },
  );
  const models = createRouter({ models: direct, config: modelConfig, clock }, { messageBytes });
  let stopServing: (() => void) | undefined;
  return {
    models,
    modelsDoor: createModelsDoor({ models, clock }, { messageBytes }),
    sampling: createSampling(
      { models, config: modelConfig, zoneOf: createOriginZones(state, governance), clock },
      { messageBytes },
    ),
    peerModels: {
      async start() {
        await models.start();
        const own = { did: identity.did };
        const serving = { models, guard, network, membership, grants, callerOf, self: own };
        stopServing ??= servePeers({ ...serving, clock, logger: log }, { messageBytes });
      },
      async stop() {
        stopServing?.();
        stopServing = undefined;
        await models.stop();
      },
    },
  };
}
