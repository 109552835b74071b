/**
 * Agents as resources: `agent://<agent>` is what is known of one, `agent://<agent>/inbox` the messages that wait for one
 * of the caller's own. `<agent>` is `<name>` or `<name>@<node>`. Who may not see an agent finds no such resource.
 */
import { StarlingError } from '../../core/index.ts';
import type { BuiltinContext, BuiltinTemplate } from '../../gateway/index.ts';
import type { Agents } from '../agents.ts';
import { PAGE_MAX } from '../limits.ts';

const SCHEME = 'agent://';
const MIME_TYPE = 'application/json';
const INBOX = 'inbox';

/** The templates of agents and of inboxes. */
export function agentResources(agents: Agents): readonly BuiltinTemplate[] {
  return [infoTemplate(agents), inboxTemplate(agents)];
}

function infoTemplate(agents: Agents): BuiltinTemplate {
  const info = (agent: string, { principal }: BuiltinContext): Promise<string | undefined> =>
    orNone(async () => JSON.stringify(await agents.info(principal, agent)));
  return {
    definition: {
      uriTemplate: `${SCHEME}{agent}`,
      name: 'agent',
      description:
        'All that is known of one agent: who it is, what it can do, where it is, and how it does.',
      mimeType: MIME_TYPE,
    },
    async read(uri, context) {
      const named = namedBy(uri);
      return named === undefined || named.isInbox ? undefined : info(named.agent, context);
    },
    async watch(uri, context, changed) {
      const named = namedBy(uri);
      if (named === undefined || named.isInbox) return undefined;
      if ((await info(named.agent, context)) === undefined) return undefined;
      return agents.watch(named.agent, () => {
        // It may be seen no more, or be gone: whoever reads then is told so.
        changed();
      });
    },
  };
}

function inboxTemplate(agents: Agents): BuiltinTemplate {
  const inbox = (
    agent: string,
    { principal, signal }: BuiltinContext,
  ): Promise<string | undefined> =>
    orNone(async () =>
      JSON.stringify(await agents.inbox(principal, { agent, limit: PAGE_MAX, waitMs: 0 }, signal)),
    );
  return {
    definition: {
      uriTemplate: `${SCHEME}{agent}/${INBOX}`,
      name: 'inbox of an agent',
      description:
        'The messages that wait for an agent that the caller has announced. To read them here takes none as read: agent_inbox does.',
      mimeType: MIME_TYPE,
    },
    async read(uri, context) {
      const named = namedBy(uri);
      return named?.isInbox === true ? inbox(named.agent, context) : undefined;
    },
    async watch(uri, context, changed) {
      const named = namedBy(uri);
      if (named?.isInbox !== true) return undefined;
      if ((await inbox(named.agent, context)) === undefined) return undefined;
      return agents.watchInbox(context.principal, named.agent, changed);
    },
  };
}

/** Undefined where there is no such agent, as far as the caller may know. */
async function orNone(read: () => Promise<string>): Promise<string | undefined> {
  try {
    return await read();
  } catch (error) {
    const code = error instanceof StarlingError ? error.code : undefined;
    if (code === 'STARLING_AGENT_UNKNOWN' || code === 'STARLING_AGENT_TAKEN') return undefined;
    throw error;
  }
}

/** What `uri` names; undefined for what is no URI of an agent. */
function namedBy(uri: string): { readonly agent: string; readonly isInbox: boolean } | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  const [name = '', ...rest] = uri.slice(SCHEME.length).split('/');
  const isInbox = rest.length === 1 && rest[0] === INBOX;
  if (name === '' || (rest.length > 0 && !isInbox)) return undefined;
  try {
    return { agent: decodeURIComponent(name), isInbox };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
