/** What is around all processes that a node starts: the record of them, and the walls that keep its secrets from them. */
import { join } from 'node:path';
import { defaultConfigFile, servicesFolder, socketPath } from './config/index.ts';
import type { ClientTls, Config } from './config/index.ts';
import { createChildren, createSandbox, runBriefly } from './gateway/index.ts';
import type { Children, Sandbox } from './gateway/index.ts';
import type { PartsInit } from './node-rooms.ts';
import type { Base } from './open-state.ts';

/** The record of all processes that the node starts: those of servers, and of agents. */
export function createNodeChildren({ config, clock, logger }: Base): Children {
  return createChildren(
    { clock, logger: logger.child('upstream') },
    { folder: join(config.stateDir, 'children') },
  );
}

/** What stands around the processes that the node starts; `now` has servers and models as the configuration has them then. */
export function createNodeSandbox(
  { config, secretFiles }: Base,
  now: Pick<PartsInit, 'modelConfig' | 'servers'>,
): Sandbox {
  const { stateDir, file, policy, http } = config;
  const { key, cert, ca } = http.tls ?? {};
  const own = key === undefined ? [] : [key];
  const configFile = file ?? defaultConfigFile(process.env);
  const authorities = tlsIn(config.mcpServers, config.models).map((tls) => tls.ca);
  return createSandbox({
    secrets: {
      stateDir,
      socketPath: socketPath(stateDir),
      // Who signs certificates says who may come in, and who we take for a server; what a person has agreed to stays as it is.
      obeyed: [configFile, servicesFolder(configFile, stateDir), cert, ca, ...authorities].filter(
        (path) => path !== undefined,
      ),
      policy: policy.file,
      files: async () => {
        const shown = tlsIn(now.servers(), now.modelConfig()).map(({ keyFile }) => keyFile);
        return [...own, ...shown.filter((path) => path !== undefined), ...(await secretFiles())];
      },
    },
    run: runBriefly,
    env: process.env,
  });
}

/** How the node shows itself to servers and to providers of models. */
function tlsIn(
  servers: Config['mcpServers'],
  { providers }: Pick<Config['models'], 'providers'>,
): readonly ClientTls[] {
  return [...Object.values(servers), ...Object.values(providers)].flatMap((one) =>
    'tls' in one && one.tls !== undefined ? [one.tls] : [],
  );
}
