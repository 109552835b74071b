/** The providers of a node by name, made anew when the configuration is another. */
import type { Config } from '../../config/index.ts';
import { createProvider } from './provider.ts';
import type { Provider, ProviderComponents } from './provider.ts';

/** Gives the providers as the configuration has them now. */
export type Providers = () => ReadonlyMap<string, Provider>;

/** Makes them; none is made before it is asked for. */
export function createProviders(
  components: ProviderComponents & { readonly config: () => Pick<Config['models'], 'providers'> },
): Providers {
  let made:
    | {
        readonly of: Pick<Config['models'], 'providers'>;
        readonly byName: ReadonlyMap<string, Provider>;
      }
    | undefined;
  return () => {
    const config = components.config();
    if (made?.of === config) return made.byName;
    const byName = new Map(
      Object.entries(config.providers).map(([name, one]) => [
        name,
        createProvider(components, name, one),
      ]),
    );
    made = { of: config, byName };
    return byName;
  };
}
