/** What a channel needs an instance of a server for. */
import type { Era } from '../wire/era.ts';
import type { ClientFacts } from '../types.ts';

/** What a channel needs an instance for. Equal keys share one. */
export interface InstanceNeeds {
  readonly key: string;
  readonly era: Era | 'either' | 'newest';
  readonly client: ClientFacts;
}

/** The one instance that everybody shares, of a server that is configured so. */
export const SHARED_NEEDS: InstanceNeeds = {
  key: 'shared',
  era: 'newest',
  client: { capabilities: {}, clientInfo: {} },
};

/** The instance that is listed: it can be asked everything, so that servers show all that they have. */
export const LISTING_NEEDS: InstanceNeeds = {
  key: 'catalog',
  era: 'newest',
  client: {
    capabilities: {
      sampling: { tools: {}, context: {} },
      elicitation: { form: {}, url: {} },
      roots: { listChanged: true },
    },
    clientInfo: {},
  },
};
