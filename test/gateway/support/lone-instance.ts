/** An instance of a server by itself, for the tests of what happens below those who share instances. */
import { startInstance } from '../../../src/gateway/upstreams/instances/instance.ts';
import type {
  Instance,
  InstanceComponents,
  InstanceInit,
} from '../../../src/gateway/upstreams/instances/instance.ts';
import { defer } from './gateways.ts';
import { BOUNDS, components } from './url-server.ts';

/** Starts it; `more` stands in place of what each instance is given. It ends with its test. */
export async function startAlone(
  init: Pick<InstanceInit, 'server' | 'era'>,
  more: Partial<InstanceComponents> = {},
): Promise<Instance> {
  const { clock, logger, random } = components();
  const instance = await startInstance(
    {
      clock,
      logger,
      random,
      credentials: undefined,
      listChanged: () => undefined,
      renewed: () => undefined,
      paramHeaders: () => ({}),
      ...more,
    },
    {
      ...BOUNDS,
      name: 'alone',
      client: { capabilities: {}, clientInfo: {} },
      startTimeoutMs: 60_000,
      ...init,
    },
  );
  defer(() => instance.close());
  return instance;
}
