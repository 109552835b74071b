/** Conversations as resources: `context://<id>` is one, as far as the caller is shown it, with updates when it goes on. */
import { StarlingError } from '../core/index.ts';
import type { BuiltinTemplate } from '../gateway/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Contexts } from './contexts.ts';
import type { ContextContent } from './types.ts';

const SCHEME = 'context://';

/** The template of conversations. */
export function contextResources(contexts: Contexts): readonly BuiltinTemplate[] {
  return [
    {
      definition: {
        uriTemplate: `${SCHEME}{id}`,
        name: 'context',
        description:
          'One conversation of an agent, with its lines and its summary, as far as you are shown it; ids as context_list has them.',
        mimeType: 'application/json',
      },
      async read(uri, { principal }) {
        const shown = await shownOf(contexts, principal, uri);
        return shown === undefined ? undefined : JSON.stringify(shown);
      },
      async watch(uri, { principal }, changed) {
        const id = idIn(uri);
        if ((await shownOf(contexts, principal, uri)) === undefined) return undefined;
        const heard = (which: string): void => {
          // Whoever is shown it no more hears nothing of it either.
          if (which === id && contexts.isShown(principal, which)) changed();
        };
        contexts.events.on('change', heard);
        return () => {
          contexts.events.off('change', heard);
        };
      },
    },
  ];
}

function idIn(uri: string): string | undefined {
  return uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : undefined;
}

async function shownOf(
  contexts: Contexts,
  principal: Principal,
  uri: string,
): Promise<ContextContent | undefined> {
  const id = idIn(uri);
  if (id === undefined) return undefined;
  if (principal.kind !== 'operator') return contexts.showTo(principal, id);
  try {
    return await contexts.show(id);
  } catch (error) {
    if (error instanceof StarlingError && error.code === 'STARLING_CONTEXT_UNKNOWN') {
      return undefined;
    }
    throw error;
  }
}
