/** An instance that a part of the node has for itself: nobody hears that its lists change, and no credentials are shown to it. */
import { startInstance } from './instance.ts';
import type { Instance, InstanceComponents, InstanceInit } from './instance.ts';

/** What a process that is started for a part of the node is run with. */
export type OwnInstanceComponents = Pick<
  InstanceComponents,
  'clock' | 'random' | 'logger' | 'sandbox' | 'children'
>;

const NOBODY = { listChanged: (): void => undefined, renewed: (): void => undefined };

/** Starts it; resolves when it has shaken hands. @throws what {@link startInstance} does */
export function startOwnInstance(
  { children, clock, logger, random, sandbox }: OwnInstanceComponents,
  { hooks, signal }: Pick<InstanceComponents, 'hooks' | 'signal'>,
  init: InstanceInit,
): Promise<Instance> {
  const credentials = undefined;
  const paramHeaders = (): Readonly<Record<string, string>> => ({});
  return startInstance(
    {
      ...NOBODY,
      children,
      clock,
      credentials,
      hooks,
      logger,
      paramHeaders,
      random,
      sandbox,
      signal,
    },
    init,
  );
}
