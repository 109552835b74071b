/** A provider as people and programs see it: nothing of it is secret. Pure. */
import type { ModelProvider } from '../../config/index.ts';
import type { ProviderView } from '../types.ts';
import { capabilitiesOf, rateLimitsOf, versionOf } from './capabilities.ts';

/** What of its configuration is shown. */
type Shown = Pick<ModelProvider, 'api' | 'endpoint' | 'limits' | 'models' | 'problems'>;

/** What is shown of the provider `name`. */
export function providerView(name: string, provider: Shown): ProviderView {
  const { api, endpoint, limits, models, problems } = provider;
  const version = versionOf(endpoint);
  return {
    id: name,
    name,
    api,
    ...(version === undefined ? {} : { version }),
    ...(endpoint === undefined ? {} : { endpoint }),
    capabilities: capabilitiesOf(api, endpoint),
    models,
    rate_limits: rateLimitsOf(limits),
    problems,
  };
}
