/** What agents of a node propose to it: what that stands on, and the tools for it. */
import { SHIPPED_KINDS, findLimitMeans } from './agents/index.ts';
import type { Runs } from './agents/index.ts';
import type { Audit } from './audit/index.ts';
import { defaultConfigFile, servicesFolder } from './config/index.ts';
import type { Config } from './config/index.ts';
import type { BuiltinTool, Gateway, Sandbox } from './gateway/index.ts';
import type { Principal } from './guard/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { createProposals, createTrials, proposalTools } from './proposals/index.ts';
import type { Proposals } from './proposals/index.ts';

const AGENT = 'agent:';

/** The rooms that proposals need; those that are made later are asked for when they are used. */
export interface ProposalRooms {
  readonly audit: Pick<Audit, 'note'>;
  readonly sandbox: Pick<Sandbox, 'means'>;
  readonly gateway: () => Pick<Gateway, 'tryServer'>;
  readonly servers: () => Config['mcpServers'];
  readonly agentConfig: () => Config['agents'];
}

/** What agents of this node propose: names that its configuration has are taken, and trials run in the sandbox of its servers. */
export function createNodeProposals(
  { clock, config, health, logger }: Base,
  { store }: Pick<OpenState, 'store'>,
  { agentConfig, audit, gateway, sandbox, servers }: ProposalRooms,
): Proposals {
  const log = logger.child('proposals');
  return createProposals({
    table: store.table('proposals'),
    audit,
    health,
    clock,
    logger: log,
    taken(name) {
      const isIn = (names: object): boolean =>
        Object.keys(names).some((one) => one.toLowerCase() === name.toLowerCase());
      if (isIn(servers())) return 'server';
      return isIn(agentConfig().kinds) || isIn(SHIPPED_KINDS) ? 'kind' : undefined;
    },
    tryOut: createTrials({
      tryServer: (init) => gateway().tryServer(init),
      async noSandbox() {
        const means = await sandbox.means();
        return means.kind === 'none' ? means : undefined;
      },
      limits: findLimitMeans,
      stateDir: config.stateDir,
      clock,
      logger: log,
    }),
    services: servicesFolder(configFileOf(config), config.stateDir),
  });
}

/** One of them is for agents whose kind has a model, the others for the operator. */
export function nodeProposalTools(
  { config }: Pick<Base, 'config'>,
  { proposals, runs }: { readonly proposals: Proposals; readonly runs: Pick<Runs, 'viewOf'> },
): readonly BuiltinTool[] {
  const thinks = (principal: Principal): boolean =>
    principal.kind === 'client' &&
    principal.name.startsWith(AGENT) &&
    runs.viewOf(principal.name.slice(AGENT.length))?.model !== undefined;
  return proposalTools({ proposals, configFile: configFileOf(config), thinks });
}

function configFileOf({ file }: Config): string {
  return file ?? defaultConfigFile(process.env);
}
