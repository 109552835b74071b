/** What a session says of the server that it stands for: one server, or all that the caller sees. */
import type { JsonObject } from '../../core/index.ts';
import type { ServerFacts } from '../../directory/index.ts';
import { objectOf } from '../wire/era.ts';
import type { Source } from './sources.ts';

/**
 * What all of `sources` together can do. Tools, resources and prompts are always declared, because
 * servers may list some later.
 */
export function jointFacts(
  sources: readonly Source[],
  own: Pick<ServerFacts, 'serverInfo' | 'instructions'>,
): ServerFacts {
  const capabilities = sources.map(({ catalog }) => catalog.capabilities);
  const tasks = capabilities.find((one) => one['tasks'] !== undefined)?.['tasks'];
  const extensions = Object.assign({}, ...capabilities.map((one) => objectOf(one['extensions'])));
  return {
    ...own,
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
      ...(tasks === undefined ? {} : { tasks }),
      ...(Object.keys(extensions as JsonObject).length === 0 ? {} : { extensions }),
    },
  };
}

/**
 * The facts of one server, as that server states them. Changes of its lists are always declared, because
 * this node tells of them whether or not the server does.
 */
export function factsOf({ catalog }: Source): ServerFacts {
  const { capabilities, serverInfo, instructions } = catalog;
  const telling = ['tools', 'resources', 'prompts'].filter(
    (name) => capabilities[name] !== undefined,
  );
  return {
    serverInfo,
    ...(instructions === undefined ? {} : { instructions }),
    capabilities: {
      ...capabilities,
      ...Object.fromEntries(
        telling.map((name) => [name, { ...objectOf(capabilities[name]), listChanged: true }]),
      ),
    },
  };
}
