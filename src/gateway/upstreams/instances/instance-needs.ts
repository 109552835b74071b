/** Which instance of a server a request needs. */
import type { Era } from '../../wire/era.ts';
import type { ClientFacts } from '../../channel-types.ts';

/** What an instance is needed for. Equal keys share an instance. */
export interface InstanceNeeds {
  readonly key: string;
  readonly era: Era | 'either' | 'newest';
  readonly client: ClientFacts;
}

/** The instance that all callers share, of a server that is configured so. */
export const SHARED_NEEDS: InstanceNeeds = {
  key: 'shared',
  era: 'newest',
  client: { capabilities: {}, clientInfo: {} },
};

/** The instance that is listed. Its client can be asked everything, so that servers show all that they have. */
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
