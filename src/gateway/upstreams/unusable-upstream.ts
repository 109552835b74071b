/** A server of the config file whose entry can't be used: it has failed, says why, and lets the others run. */
import type { UnusableServer } from '../../config/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Health, Logger } from '../../core/index.ts';
import type { UpstreamStatus } from '../types.ts';
import type { ConfiguredUpstream } from './managed-upstream.ts';
import { emptyCatalog } from './merge-catalogs.ts';

const HINT = 'correct the entry in the config file and save it';

/** Makes the upstream; there is nothing that `start` could start. */
export function createUnusableUpstream(
  server: string,
  config: UnusableServer,
  { health, logger }: { readonly health: Health; readonly logger: Logger },
): ConfiguredUpstream {
  const error = new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${server}' can't be used: ${config.problems.join('; ')}`,
    { hint: HINT, data: { server } },
  );
  const catalog = emptyCatalog(server);
  const code = `upstream-down:${server}`;
  let state: UpstreamStatus['state'] = 'stopped';
  return {
    server,
    config,
    settled: Promise.resolve(),
    hasGivenUp: false,
    condition: () => ({ run: 0, isHeld: true, log: [] }),
    status: () => ({
      server,
      kind: 'unusable',
      state,
      tools: 0,
      resources: 0,
      prompts: 0,
      instances: 0,
      error: error.message,
      hint: HINT,
      ...(config.remarks === undefined ? {} : { notes: config.remarks }),
    }),
    catalog: () => catalog,
    open() {
      throw error;
    },
    isBarred: () => false,
    leftOut: () => undefined,
    start() {
      if (state === 'failed') return;
      state = 'failed';
      logger.warn({ server, problems: config.problems }, 'server can not be used');
      health.raise({ code, text: error.message, hint: HINT });
    },
    retry: () => undefined,
    restart: () => undefined,
    retryIf: () => undefined,
    isOutdated: () => false,
    async stop() {
      state = 'stopped';
      health.clear(code);
    },
  };
}
